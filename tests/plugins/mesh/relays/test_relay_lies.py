"""A malicious relay speaks for others: nobody believes it, and it is counted."""

from __future__ import annotations

import base64
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import HandshakeError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import psk_from_secret
from clawmatrix_core.sessions.noise import KKPSK0, Handshake
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.mallory import HOME, LAB, LIMITS, OFFICE, Caught, Mallory, pass_on, scene
from tests.plugins.mesh.relays.letters import LettersPlugin, write
from tests.plugins.mesh.wire import header, record_of, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from tests.plugins.mesh.mallory import Scene

pytestmark = pytest.mark.anyio


def opening(mallory: Mallory, opener: str, acceptor: str, *, initiator: bool) -> Handshake:
    """Return the Noise of a session's opening, with the relay's keys in place of one's."""
    known = mallory.node.directory.get(NodeId(acceptor if initiator else opener))
    assert known is not None
    return Handshake(
        KKPSK0,
        initiator=initiator,
        static=mallory.node.identity.channel_private,
        remote_static=known.record.channel_key_bytes(),
        psk=psk_from_secret(SECRET),
        prologue=b"clawmatrix session v1\0" + opener.encode() + b"\0" + acceptor.encode(),
    )


# --- sessions


def accept(caught: Caught, body: bytes) -> bytes:
    """Return the answer to an opening, in the name of its destination."""
    about = {"from_": caught.header.to, "to": caught.header.source, "body": "bytes", "lane": 0}
    line = header(type="session_accept", id=caught.header.id, **about)
    return b"\x20" + line + b"\n" + body


@pytest.mark.parametrize("how", ["rubbish", "an old acceptance", "the opening itself"])
async def test_it_answers_the_opening_of_a_session_itself(
    caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """It cannot even read the opening, which is for the other's key."""
    answered: list[Caught] = []
    old: dict[tuple[str, str], bytes] = {}

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.header.type == "session_open":
            noise = opening(mallory, *caught.way, initiator=False)
            with pytest.raises(HandshakeError):
                noise.read(caught.body)
            bodies = {"rubbish": os.urandom(96), "the opening itself": caught.body}
            body = bodies.get(how) or old.get(caught.way[::-1], b"none yet" * 12)
            answered.append(caught)
            mallory.deliver(caught.header.source, accept(caught, body))
        else:
            pass_on(mallory, caught)

    async with scene(caplog) as found:
        for caught in found.mallory.caught:
            if caught.header.type == "session_accept":
                old[caught.way] = caught.body
        await found.restart("home")
        found.mallory.act = act
        assert not await found.letter(deadline=2.0)
        assert not found.letters["office"].read[found.number]
        assert answered
        await wait_until(lambda: found.refused_by_all("forged") >= len(answered))
        await found.is_well()


async def test_it_opens_a_session_in_anothers_name(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(caplog) as found:
        for number in range(40):
            noise = opening(found.mallory, "home", "office", initiator=True)
            message = noise.write(b"0123456789abcdef")
            about = {"from_": "home", "to": "office", "body": "bytes", "lane": 0}
            line = header(type="session_open", id=f"{number}", **about)
            found.mallory.deliver("office", b"\x20" + line + b"\n" + message)
        await found.counted("office", "forged", 40)
        assert found.logged("refused from home (by way of mallory)") == 1
        await found.is_well()


async def test_it_says_that_a_session_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can say so: nothing is dropped for it, and it makes few new sessions."""
    async with scene(caplog) as found:
        for number in range(200):
            about = {"from_": "office", "to": "home", "body": "bytes", "lane": 0}
            line = header(type="session_unknown", id=f"{number}", **about)
            found.mallory.deliver("home", b"\x20" + line + b"\n")
        await found.counted("home", "session_unknown", 200)
        assert await found.letter()
        opened = [one for one in found.mallory.caught if one.header.type == "session_open"]
        assert sum(one.way == (HOME, OFFICE) for one in opened) <= 4
        assert found.logged("a session is not known there") == 1
        await found.is_well()


# --- exchanges


IN_OTHERS_NAMES: dict[str, tuple[Any, dict[str, Any]]] = {
    "data": ("something else", {"seq": 1}),
    "error": ({"code": "busy", "message": "no"}, {"seq": 0, "fin": True}),
    "cancel": (None, {"seq": 1, "fin": True}),
    "credit": (None, {"ack": 5, "limit": 2**50}),
    "probe": (None, {}),
    "unknown": (None, {"fin": True}),
    "undeliverable": ({"from": "home", "to": "office", "id": "x", "re": False, "seq": 0}, {}),
    "session_proof": (None, {"re": True}),
    "records": ([], {}),
    "heartbeat": ({"t": 1}, {}),
    "letter": ({"number": 77}, {"seq": 0}),
}


@pytest.mark.parametrize("kind", IN_OTHERS_NAMES)
async def test_it_writes_in_anothers_name(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """Under its own session, with the id of an exchange that is going on."""
    payload, fields = IN_OTHERS_NAMES[kind]
    written = 0

    def act(mallory: Mallory, caught: Caught) -> None:
        nonlocal written
        if caught.sealed and caught.way == (OFFICE, HOME) and caught.header.id:
            about = {"from": "office", "id": caught.header.id, "re": True, **fields}
            mallory.write("home", kind, payload, **about)
            written += 1
        pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        assert written > 3
        await found.counted("home", "forged", written)
        assert found.nodes["home"].counters["forged"] == written
        assert found.logged("refused from office (by way of mallory)") == 1
        await found.is_well()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("data", "unknown_exchange"),
        ("error", "unknown_exchange"),
        ("probe", "unknown_exchange"),
        ("cancel", "unknown_exchange"),
        ("credit", "stray"),
        ("unknown", "stray"),
    ],
)
async def test_in_its_own_name_it_has_no_word_in_others_exchanges(
    caplog: pytest.LogCaptureFixture, kind: str, reason: str
) -> None:
    ids: set[str] = set()

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.sealed and caught.way == (OFFICE, HOME) and caught.header.id:
            ids.add(caught.header.id)
            about = {"id": caught.header.id, "re": True, "seq": 1, "fin": True}
            mallory.write("home", kind, None, **about)
        pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        await found.counted("home", reason)
        assert ids
        await found.is_well()


# --- reports


def report(caught: Caught, **changes: Any) -> dict[str, Any]:
    about = caught.header
    told = {"from": about.source, "to": about.to, "id": about.id, "re": about.re, "seq": about.seq}
    return {**told, "reason": "no_route", "ttl": 32, **changes}


@pytest.mark.parametrize(
    "reason", ["no_route", "loop", "ttl", "congested", "no_transit", "rubbish"]
)
async def test_it_says_that_frames_got_no_further_but_passes_them_on(
    caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    lies = 0

    def act(mallory: Mallory, caught: Caught) -> None:
        nonlocal lies
        pass_on(mallory, caught)
        if caught.sealed and caught.way == (HOME, OFFICE) and lies < 40:
            lies += 1
            mallory.write("home", "undeliverable", report(caught, reason=reason))

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        told = ["returned", "stray_report"]
        await wait_until(lambda: found.refused("home", told) >= lies)
        assert found.nodes["home"].counters["returned"]
        assert found.logged(f"got no further: {reason}") == 1
        await found.is_well()


async def test_a_lie_that_a_request_got_no_further_does_not_make_it_unbegun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else whoever asked would ask another node, and the work would be done twice."""

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.way == (HOME, OFFICE):
            pass_on(mallory, caught)
            if caught.sealed:
                mallory.write("home", "undeliverable", report(caught))

    async with scene(caplog) as found:
        found.mallory.act = act
        number = found.number = found.number + 1
        letter = await write(found.nodes["home"], "office", number)
        assert letter.error is not None
        assert letter.error.may_have_begun
        assert found.letters["office"].read[number]
        found.letters["office"].agrees(letter)
        await found.is_well()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "none such"}, "stray_report"),
        ({"to": "lab"}, "stray_report"),
        ({"to": "nobody"}, "stray_report"),
        ({"seq": 2**53 - 1}, "stray_report"),
        ({"from": "nobody"}, "stray_report"),
        ({"from": "office", "to": "home"}, "stray_report"),
        ({"from": "lab", "ttl": 0}, "stray_report"),
        ({"seq": "0"}, "bad_undeliverable"),
        ({"ttl": None}, "bad_undeliverable"),
    ],
    ids=lambda value: str(value),
)
async def test_a_report_that_cannot_be_right_changes_nothing(
    caplog: pytest.LogCaptureFixture, changes: dict[str, Any], reason: str
) -> None:
    lies = 0

    def act(mallory: Mallory, caught: Caught) -> None:
        nonlocal lies
        pass_on(mallory, caught)
        if caught.sealed and caught.way == (HOME, OFFICE):
            lies += 1
            mallory.write("home", "undeliverable", report(caught, **changes))

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        await found.counted("home", reason, lies)
        assert found.nodes["home"].counters["returned"] == 0
        await found.is_well()


# --- routes


async def test_it_lies_about_links_and_latencies_and_draws_only_what_it_can_drop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        home = found.nodes["home"]
        relay = found.mallory.node.identity
        links = {"home": 0.0, "office": 0.0, "nobody": 0.0, "lab": 1e8, "mallory": 0.0}
        record = record_of("mallory", relay, epoch=2**52, links=links, transit=True)
        found.mallory.write("home", "records", [signed(record, relay)])
        await wait_until(lambda: _epoch(found, "mallory") == 2**52)
        home.compute_routes()
        assert NodeId("nobody") not in home.routes
        assert {home.routes[name].next_hop for name in (OFFICE, LAB)} == {"mallory"}
        await found.is_well()


@pytest.mark.parametrize(
    "links",
    [{"office": -1.0}, {"office": 1e9}, {"office": "near"}, {"office": True}, ["office"]],
    ids=str,
)
async def test_a_latency_that_is_none_is_refused(
    caplog: pytest.LogCaptureFixture, links: Any
) -> None:
    async with scene(caplog) as found:
        relay = found.mallory.node.identity
        record = record_of("mallory", relay, epoch=2**52, links=links)
        found.mallory.write("home", "records", [signed(record, relay)])
        await found.counted("home", "bad_record")
        assert _epoch(found, "mallory") == 1
        await found.is_well()


def _epoch(found: Scene, name: str) -> int:
    known = found.nodes["home"].directory.get(NodeId(name))
    assert known is not None
    return known.record.epoch


@pytest.mark.parametrize("key", ["its own", "the other's"])
async def test_it_cannot_give_others_another_key(
    caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """Else it would stand in the middle of their sessions."""
    async with scene(caplog) as found:
        office, relay = found.nodes["office"], found.mallory.node.identity
        record = record_of("office", office.identity, epoch=2**52)
        record["channelKey"] = base64.b64encode(relay.channel_public).decode()
        if key == "its own":
            record["signKey"] = base64.b64encode(relay.sign_public).decode()
        found.mallory.write("home", "records", [signed(record, relay)])
        await found.counted("home", "pin_conflict" if key == "its own" else "forged_record")
        await found.is_well()


# --- through an honest relay behind it


@asynccontextmanager
async def chain(mallory: Mallory, letters: LettersPlugin) -> AsyncIterator[tuple[Node, Node, Node]]:
    """Give home, mallory's node and lab: home - mallory - lab - office."""
    async with (
        make_node("mallory", plugins=("relay", mallory)) as relay,
        make_node("lab", peers=[address_of(relay)]) as lab,
        make_node("home", peers=[address_of(relay)], exchanges=LIMITS) as home,
        make_node("office", plugins=("relay", letters), peers=[address_of(lab)]) as office,
    ):
        await wait_until(lambda: home.reachable(OFFICE) and office.reachable(HOME))
        yield home, relay, lab


async def test_a_frame_whose_ttl_it_ends_is_named_where_it_ends() -> None:
    mallory, letters = Mallory(), LettersPlugin()
    async with chain(mallory, letters) as (home, relay, lab):

        def act(_: Mallory, caught: Caught) -> None:
            link = relay.switch.next_link(caught.header.to)
            assert link is not None
            ttl = spent if caught.way == (HOME, OFFICE) else 30
            link.enqueue(bytes([ttl]) + caught.message[1:], 0)

        spent, mallory.act = 30, act
        letters.agrees(whole := await write(home, "office", 1))
        assert whole.whole
        spent = 1
        letters.agrees(cut := await write(home, "office", 2, deadline=2.0))
        assert not cut.whole
        assert lab.counters["undeliverable_ttl"] > 0
        assert home.counters["returned"] > 0
        spent = 2
        letters.agrees(again := await write(home, "office", 3))
        assert again.whole
