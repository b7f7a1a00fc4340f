"""What is an address, and which transport dials it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config, ConfigError, ConfigSection, Transport, hookimpl
from clawmatrix_core.base.errors import DialError
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, free_port, wait_until
from clawmatrix_mesh.addresses import (
    check_address,
    check_advertised,
    find_transport,
    with_address,
    without_address,
)
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.websocket.address import WebSocketAddress
from tests.plugins.mesh.conftest import make_node

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core import Connection, Listener


@pytest.mark.parametrize(
    "address", ["ws://a", "wss://a.example:19000", "wss://[::1]:1", "memory://x", "tcp://a:1/p?q"]
)
def test_an_address_has_a_scheme_and_a_place(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("relay.example:19000", "is not an address like wss://host:port"),
        ("wss://", "is not an address like wss://host:port"),
        ("://a", "is not an address like wss://host:port"),
        ("", "is not an address like wss://host:port"),
        ("ws://a b", "no spaces"),
        ("ws://a\n", "no spaces"),
        ("ws://a:port", "is not an address: "),
        ("ws://a:99999", "is not an address: "),
    ],
)
def test_what_is_no_address_is_said(address: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "user:correct-horse@host:1",
        "ws://user:correct/horse@host:1",
        "ws://user:correct-horse@host:port",
        "ws://user:correct-horse@[::1",
        "ws://user:correct-horse\u2100@host",
        "nope",
    ],
)
def test_an_error_repeats_no_password(address: str) -> None:
    said = []
    for parse in (check_address, WebSocketAddress.parse):
        with pytest.raises(ValueError, match="address") as caught:
            parse(address)
        said.append(str(caught.value))
    assert not [one for one in said if "correct" in one or "horse" in one]


def test_what_an_error_says_of_an_address_is_without_its_secrets() -> None:
    address = "tcp://host/?key=k#f"
    told = without_address(OSError(f"{address} and ws://me:pass@h are gone"), address)
    assert told == "tcp://host/?*** and ws://me:***@h are gone"


@pytest.mark.parametrize(
    "address",
    [
        "ws://a",
        "wss://a.example:19000/",
        f"ws://[::1]:1/{'aB3_-/' * 10}xyz",
        "memory://x",
        "tcp://a:1",
    ],
)
def test_an_advertised_address_is_a_place_and_a_short_path(address: str) -> None:
    check_advertised(address)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("ws://user:pw@127.0.0.1:80", "no user and password"),
        ("ws://@a", "no user and password"),
        ("ws://a/x?y=1", "no query and no fragment"),
        ("ws://a?", "no query and no fragment"),
        ("ws://a/#", "no query and no fragment"),
        ("ws://a/x.php", "the path of an advertised address"),
        ("ws://a/%2e%2e", "the path of an advertised address"),
        ("ws://a/\u00e9", "the path of an advertised address"),
        (f"ws://a/{'x' * 64}", "at most 64 characters"),
        (f"ws://{'a' * 256}", "at most 256 characters"),
        ("ws://a b", "no spaces"),
    ],
)
def test_direct_dial_ssrf_what_an_advertised_address_may_not_say(address: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_advertised(address)


@pytest.mark.anyio
async def test_an_address_of_no_transport_names_those_there_are() -> None:
    async with make_node("node") as node:
        with pytest.raises(DialError, match=r"no transport for smoke://a \(there are: ws, wss\)"):
            find_transport(node, "smoke://a")


@pytest.mark.anyio
async def test_an_address_of_a_plugin_that_is_not_in_use_says_so() -> None:
    async with make_node("node") as node:
        words = r"ws, wss\): the plugin gemini is disabled: not among the plugins chosen"
        with pytest.raises(DialError, match=words):
            find_transport(node, "gemini://a")
        with pytest.raises(DialError, match=r"add the plugin that has one to plugins = \[...\]"):
            find_transport(node, "smoke://user:hunter2@a")
        with pytest.raises(DialError, match=r"^(?!.*hunter2)"):
            find_transport(node, "smoke://user:hunter2@a")


class SmokeTransport(Transport):
    """One whose errors name the whole address."""

    schemes = ("smoke",)

    async def dial(self, address: str) -> Connection:
        raise DialError(f"{address} is too far away")

    def listen(self, address: str) -> AbstractAsyncContextManager[Listener]:
        raise OSError("a fire is needed")


class SmokePlugin:
    @hookimpl
    def register_transports(self) -> list[Transport]:
        return [SmokeTransport()]


@pytest.mark.anyio
async def test_the_address_is_told_once_and_without_its_password(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"ws://127.0.0.1:{free_port()}"
    mesh = {"listen_url": None, "peers": ["smoke://user:hunter2@hill", nobody]}
    async with node_factory("a", plugins=[SmokePlugin], config={"mesh": mesh}):
        await wait_until(lambda: "refused" in caplog.text and "far away" in caplog.text)
    told = [record.getMessage() for record in caplog.records]
    assert "smoke://***@hill is too far away" in told
    [other] = [line for line in told if "refused" in line]
    assert other.startswith(f"{nobody}: connection refused by ")


def test_an_address_is_put_before_a_text_that_does_not_have_it() -> None:
    assert with_address("a://b", "nobody answers") == "a://b: nobody answers"
    assert with_address("a://b", "nobody at a://b") == "nobody at a://b"


def test_a_whole_address_in_listen_is_pointed_to_its_own_key() -> None:
    raw = {"node_id": "a", "secret": SECRET, "mesh": {"listen": "unix:///run/a.sock"}}
    words = 'mesh.listen: write it without "unix://"; whole addresses go into listen_url'
    with pytest.raises(ConfigError, match=words):
        Config.from_mapping(raw).bind([ConfigSection("mesh", MeshConfig)])
