"""There is no way round the seal: nothing unsealed is taken, and nothing turns that off."""

from __future__ import annotations

from typing import Any

import pytest

import clawmatrix_core.exchange.exchanges
from clawmatrix_core.config.config import Config
from clawmatrix_core.config.core import CoreConfig
from clawmatrix_core.config.docs import describe
from clawmatrix_core.config.named import load_class
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.wire.codec import Header, decode_header, encode_header, join, split
from tests.core.kernel.switch_net import HOME, OFFICE, neighbours, over_a_relay

pytestmark = pytest.mark.anyio

OPENINGS = {"session_open", "session_accept", "session_unknown"}
EVERY_PLUGIN = ["mesh", "relay", "http", "control", "model-proxy"]


async def frame_types() -> set[str]:
    """Return every type of frame that a node with all its plugins knows."""
    config = Config.from_mapping(
        {
            "node_id": "office",
            "secret": "s" * 40,
            "mesh": {"listen": "127.0.0.1:0"},
            "http": {"listen": "127.0.0.1:0", "token": "t" * 32},
        }
    )
    async with Node(config, plugins=EVERY_PLUGIN, state=MemoryState(), watchdog=False) as node:
        return set(node.plugins.hooks._build_frame_table())


async def test_every_type_of_frame_is_refused_unsealed_and_counted() -> None:
    types = await frame_types()
    assert {"ping", "heartbeat", "records", "model_req", "undeliverable"} <= types
    types |= clawmatrix_core.exchange.exchanges.EXCHANGE_TYPES | {PROOF_TYPE, "hello", "brand_new"}
    _, _, office = neighbours()
    office.handlers = dict.fromkeys(types, pytest.fail)  # type: ignore[arg-type]
    refused = 0
    for type_ in sorted(types - OPENINGS):
        for body in ("json", "bytes"):
            for fields in ({}, {"re": True, "fin": True}, {"seq": 3, "lane": 0}):
                office.take(unsealed(type_, body, **fields), "home")
                refused += 1
    assert office.counters == {"unsealed": refused}
    assert office.frames == []
    assert not office.exchanges.live


def unsealed(type_: str, body: Any, **fields: Any) -> bytes:
    header = Header(type_, "1", HOME, OFFICE, 0, body, **fields)
    return join(encode_header(header), b'{"a":1}')


def test_openings_are_all_that_is_taken_unsealed() -> None:
    assert OPENING_TYPES == OPENINGS
    _, _, office = neighbours()
    for type_ in OPENINGS:
        office.take(unsealed(type_, "json"), "home")
    assert office.counters == {"unsealed": 3}


async def test_all_that_goes_out_is_sealed_but_for_openings() -> None:
    net = over_a_relay()
    sent: list[bytes] = []
    take = type(net["office"]).take
    for station in net.stations.values():

        def note(message: bytes, by: str, station: Any = station) -> None:
            sent.append(message)
            take(station, message, by)

        station.take = note  # type: ignore[method-assign]
    net["office"].takes = False
    net["home"].switch.transmit(OFFICE, "news", "1", b"j", b"{}")
    await net.pass_time(2)
    net["home"].switch.transmit(OFFICE, "news", "2", b"j", b"{}")
    net["home"].switch.send_to_neighbour(net["home"].link("relay"), "heartbeat", "", {})
    await net.pass_time(2)
    headers = [decode_header(split(message).line) for message in sent]
    assert {header.type for header in headers} >= {"news", "heartbeat", "error", "session_open"}
    for header in headers:
        assert (header.body == "sealed") is (header.type not in OPENINGS), header


def test_no_option_turns_it_off() -> None:
    registry = PluginRegistry()
    registry.load()
    tables = [CoreConfig, *(load_class(section.type) for section in registry.config_sections())]
    paths = [doc.path for table in tables for doc in describe(table)]
    assert "node_id" in paths
    words = ("seal", "crypt", "cipher", "plain", "insecure", "unsafe", "noise", "rekey")
    assert not [path for path in paths if any(word in path for word in words)]
