"""The switch: what comes in is opened, given to whom it is for, or refused and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.wire.codec import (
    HEADER_LIMIT,
    MESSAGE_LIMIT,
    Header,
    Lane,
    decode_header,
    encode_header,
    join,
    split,
)
from clawmatrix_core.wire.routes import Route
from tests.core.kernel.switch_net import (
    HOME,
    LAB,
    OFFICE,
    RELAY,
    Net,
    Station,
    neighbours,
    over_a_relay,
)

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio


def sealed(
    home: Station, plaintext: bytes, type_: str = "news", to: NodeId = OFFICE, **fields: Any
) -> bytes:
    """Return what home sends over its link to office, whatever is in it."""
    fields = {"id": "1", "source": HOME, "body": "sealed", **fields}
    line = encode_header(Header(type=type_, to=to, timestamp=0, **fields))
    return join(line, home.link("office").session.seal(line, plaintext))


def plain(type_: str, body: bytes = b"", kind: Any = "json", source: NodeId = HOME) -> bytes:
    """Return an unsealed message to office."""
    return join(encode_header(Header(type_, "1", source, OFFICE, 0, kind)), body)


# --- in


def test_a_sealed_frame_comes_to_the_plugins_opened() -> None:
    net, home, office = neighbours()
    net.now = 123.0
    assert home.switch.transmit(OFFICE, "news", "1", b"j", b'{"a":[1]}') is Outcome.SENT
    assert home.switch.transmit(OFFICE, "news", "2", b"b", b"\0\xff", seq=0) is Outcome.SENT
    assert home.switch.transmit(OFFICE, "news", "3", b"j", b"") is Outcome.SENT
    net.carry()
    assert [frame.payload for frame in office.frames] == [{"a": [1]}, b"\0\xff", None]
    assert [frame.size for frame in office.frames] == [9, 2, 0]
    frame = office.frames[0]
    assert (frame.header.source, frame.header.type, frame.header.id) == (HOME, "news", "1")
    assert frame.header.timestamp == 1_760_000_000_000
    assert frame.link is office.link("home")
    assert office.switch.heard == {HOME: 123.0}
    assert not office.counters


def test_a_frame_between_neighbours_goes_under_the_links_session() -> None:
    net, home, office = neighbours()
    assert home.switch.send_to_neighbour(home.link("office"), "heartbeat", "", {"n": 1})
    net.carry()
    assert office.frames[0].payload == {"n": 1}
    assert office.frames[0].header.lane == Lane.CONTROL.value


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "header_too_large"),
        (b"\x20" + b"h" * (HEADER_LIMIT + 1) + b"\n", "header_too_large"),
        (b"\x20{}\n", "bad_header"),
        (b"\x20\xff\n", "bad_header"),
        (b"\x21{}\n", "bad_ttl"),
        (bytes(MESSAGE_LIMIT + 1), "too_large"),
    ],
    ids=["empty", "long", "none", "bytes", "ttl", "large"],
)
def test_what_is_no_frame_costs_the_link(message: bytes, reason: str) -> None:
    net, _, office = neighbours()
    assert net.fails_with("office", message, "home") == reason
    assert office.counters == {reason: 1}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: plain("news"), "unsealed"),
        (lambda _: plain("data", kind="bytes"), "unsealed"),
        (lambda _: plain("session_open", b"{}", "json"), "unsealed"),
        (lambda _: plain("session_open", b"rubbish", "bytes"), "short"),
        (lambda _: plain("session_open", bytes(96), "bytes"), "bad_key"),
        (lambda _: plain("session_open", b"", "bytes", source=LAB), "session_stranger"),
        (lambda _: plain("session_accept", b"", "bytes"), "session_stray"),
        (lambda _: plain("news", b"short", "sealed"), "short"),
        (lambda _: plain("news", bytes(64), "sealed"), "unknown_session"),
        (lambda home: sealed(home, b"j{}", source=LAB), "forged"),
        (lambda home: sealed(home, b"j{}").replace(b"news", b"gnus"), "forged"),
        (lambda home: sealed(home, b"j{}")[:-1] + b"x", "forged"),
        (lambda home: sealed(home, b""), "bad_body"),
        (lambda home: sealed(home, b"x{}"), "bad_body"),
        (lambda home: sealed(home, b"j{"), "bad_json"),
        (lambda home: sealed(home, b"jNaN"), "bad_json"),
        (lambda home: sealed(home, b"j\xff"), "bad_json"),
        (lambda home: sealed(home, b"j" + b"[" * 5000), "bad_json"),
        (lambda home: sealed(home, b"j{}", to=LAB), "no_transit"),
    ],
)
def test_a_frame_that_is_not_right_is_refused_and_counted(make: Any, reason: str) -> None:
    """The link stays: the neighbour may only have carried it."""
    _, home, office = neighbours()
    office.take(make(home), "home")
    assert office.counters == {reason: 1}
    assert office.frames == []


def test_a_frame_comes_in_once() -> None:
    _, home, office = neighbours()
    message = sealed(home, b"j{}")
    office.take(message, "home")
    office.take(message, "home")
    assert len(office.frames) == 1
    assert office.counters == {"replay": 1}


def test_what_is_refused_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    net, _, office = neighbours()
    with caplog.at_level(logging.WARNING, "clawmatrix"):
        for _ in range(5):
            office.take(plain("news"), "home")
            office.take(plain("news", source=LAB), "home")
        net.now += 61
        office.take(plain("news"), "home")
    assert [record.getMessage() for record in caplog.records] == [
        "refused from home: an unsealed news frame",
        "refused from home: an unsealed news frame (9 more since the last one)",
    ]
    assert office.counters == {"unsealed": 11}


def test_a_frame_by_way_of_another_says_so(caplog: pytest.LogCaptureFixture) -> None:
    _, home, office = neighbours()
    with caplog.at_level(logging.WARNING, "clawmatrix"):
        office.take(sealed(home, b"j{}", source=LAB), "home")
    assert caplog.records[0].getMessage() == (
        "refused from lab (by way of home): sealed by home, says lab"
    )


def test_a_frame_of_no_known_type_is_answered() -> None:
    net, home, office = neighbours()
    office.takes = False
    office.take(sealed(home, b"j{}"), "home")
    assert office.counters == {"unknown_type": 1}
    [answer] = net.waiting("office", "home")
    header = decode_header(split(answer).line)
    assert (header.type, header.id, header.re, header.fin) == ("error", "1", True, True)


def test_a_frame_of_no_known_type_and_without_an_id_silences_nothing() -> None:
    net, home, office = neighbours()
    office.takes = False
    office.take(sealed(home, b"j{}", "later", id=""), "home")
    assert net.waiting("office", "home") == []
    office.takes = True
    office.take(sealed(home, b"j{}", "heartbeat", id=""), "home")
    assert [frame.header.type for frame in office.frames] == ["later", "heartbeat"]


def test_a_frame_for_another_node_is_offered_as_it_came() -> None:
    _, home, office = neighbours()
    message = sealed(home, b"j{}", to=LAB)
    office.take(message, "home")
    [transit] = office.transits
    assert transit.wire.message is message
    assert transit.header.to == LAB
    assert transit.link is office.link("home")


async def test_a_body_that_is_none_ends_the_exchange_it_belongs_to() -> None:
    net, home, office = neighbours()

    async def wait(ex: Exchange) -> None:
        await anyio.sleep_forever()

    async with office.scope:
        office.handlers["it"] = wait
        ex = await home.exchanges.open(OFFICE, "it").__aenter__()
        await net.settle()
        office.take(sealed(home, b"j{", "data", id=ex.id, seq=1), "home")
        await net.settle()
        with pytest.raises(Exception, match="office cancelled"):
            await ex.receive()
        await ex.__aexit__(None, None, None)
        await net.settle()
    assert not home.exchanges.live
    assert not office.exchanges.live


def test_an_opening_frame_whose_body_is_none_is_refused() -> None:
    net, home, office = neighbours()
    office.take(sealed(home, b"j{", "it"), "home")
    [answer] = net.waiting("office", "home")
    assert decode_header(split(answer).line).type == "error"


# --- out


def test_a_route_is_preferred_to_a_link() -> None:
    net = Net("home", "relay", "office")
    net.join("home", "office")
    net.join("home", "relay")
    home = net["home"]
    assert home.switch.next_link(OFFICE) is home.link("office")
    home.ways.routes = {OFFICE: Route(RELAY, 1.0, 2), LAB: Route(NodeId("gone"), 1.0, 2)}
    assert home.switch.next_link(OFFICE) is home.link("relay")
    assert home.switch.next_link(LAB) is None
    del home.ways.links[RELAY]
    assert home.switch.next_link(OFFICE) is home.link("office")


def test_what_cannot_go_says_why() -> None:
    net = over_a_relay()
    home = net["home"]
    assert home.switch.transmit(LAB, "news", "1", b"j", b"") is Outcome.NO_ROUTE
    assert not home.stack.openings.send_opening(LAB, "session_open", "1", b"")
    assert home.switch.transmit(OFFICE, "news", "1", b"j", b"") is Outcome.NO_SESSION
    link = home.link("relay")
    while link.enqueue(bytes(1000), Lane.BULK):
        pass
    assert home.switch.transmit(RELAY, "news", "1", b"b", bytes(1000), lane=Lane.BULK) is (
        Outcome.CONGESTED
    )
    assert home.switch.transmit(RELAY, "news", "1", b"b", b"") is Outcome.SENT


def test_an_opening_and_its_answer_go_over_the_link_although_another_way_is_shorter() -> None:
    net = Net("home", "relay", "office")
    net.join("home", "office")
    net.join("home", "relay")
    net.join("office", "relay")
    home, office = net["home"], net["office"]
    home.ways.routes = {OFFICE: Route(RELAY, 1.0, 2)}
    office.ways.routes = {HOME: Route(RELAY, 1.0, 2)}
    links_own = home.sessions.sending(OFFICE)
    net.now += 1.0
    home.sessions.ensure(OFFICE)
    net.carry()
    assert not net["relay"].transits
    assert home.sessions.sending(OFFICE) is not links_own
    for direct, gone_by in ((True, "office"), (False, "relay")):
        before = home.link(gone_by).waiting
        assert home.stack.openings.send_opening(OFFICE, "session_open", "1", b"", direct)
        assert home.link(gone_by).waiting == before + 1


@attrs.frozen
class ForeignSession:
    """What the handshake of somebody else might hand over."""

    peer: NodeId
    id: bytes = b"foreign."
    remote_instance: str = "office1"
    peer_key: bytes = b""
    created: float = 0.0
    usable: bool = True

    def seal(self, line: bytes, plaintext: bytes) -> bytes:
        return plaintext


def test_a_link_with_a_session_of_no_known_kind_is_not_kept() -> None:
    _, home, _ = neighbours()
    link = home.link("office")
    home.stack.remove_link(link)
    link.session = ForeignSession(OFFICE)
    with pytest.raises(LocalProtocolError, match="not ForeignSession"):
        home.stack.add_link(link)
    assert home.ways.next_link(OFFICE) is None
