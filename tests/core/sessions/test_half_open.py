"""Sessions that nobody has proved to want: bounded, counted, and no harm to anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.sessions.doorkeeper import BURST, RATE
from clawmatrix_core.wire.codec import Header
from tests.core.sessions.session_net import HOME, LAB, OFFICE, PSK, End, Message, Net, current

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

FEW = 4
"""Half-open sessions that one node can have with another."""


def three() -> tuple[Net, End, End, End]:
    """Return home, which is opened to, and office and lab, who open."""
    net = Net("home", "office", "lab")
    return net, net["home"], net["office"], net["lab"]


def open_one(end: End, to: NodeId = HOME) -> Message:
    """Return a good opening, not sent."""
    end.sessions.negotiation.give_up(to)
    end.sessions.ensure(to)
    return end.net.flying.pop()


def flood(home: End, end: End, times: int) -> None:
    """Have home take as many openings, each another one; nothing comes back."""
    for _ in range(times):
        home.take(open_one(end))
    end.net.flying.clear()


def half_open(end: End, peer: NodeId) -> int:
    """Return how many sessions of a peer wait to be proved."""
    all_ = end.sessions.table
    return sum(kept.session.peer == peer and not kept.confirmed for kept in all_)


@pytest.mark.bound("clawmatrix_core.sessions.table.KEPT_PER_PEER")
def test_one_that_floods_has_few_half_open_and_leaves_those_of_others_alone() -> None:
    net, home, office, lab = three()
    home.take(open_one(office))
    [acceptance] = net.flying
    net.flying.clear()
    for _ in range(300):
        flood(home, lab, 1)
        net.now += 1 / RATE / 16
    assert half_open(home, LAB) == FEW
    assert half_open(home, OFFICE) == 1
    office.take(acceptance)
    assert office.say(HOME, b"I was first")
    net.run()
    assert home.heard == [(OFFICE, b"I was first")]


def test_sessions_a_second_are_limited_for_each_origin_and_counted() -> None:
    net, home, office, lab = three()
    flood(home, lab, BURST)
    assert home.refused == []
    flood(home, lab, 10)
    assert home.refused == ["session_rate"] * 10
    flood(home, office, 1)
    assert home.refused == ["session_rate"] * 10
    net.pass_time(3 / RATE)
    flood(home, lab, 4)
    assert home.refused == ["session_rate"] * 11


def test_what_is_refused_for_its_rate_costs_no_handshake() -> None:
    _, home, _, lab = three()
    flood(home, lab, BURST)
    before = list(home.sessions.table)
    flood(home, lab, 1)
    assert home.refused == ["session_rate"]
    assert list(home.sessions.table) == before


def test_rubbish_in_anothers_name_takes_nothing_from_that_node() -> None:
    net, home, _office, lab = three()
    for number in range(5 * BURST):
        rubbish = bytes([number + 2]) * 48 + bytes(64)
        home.take(Message(Header("session_open", "x", OFFICE, HOME, 0), b"", rubbish))
        stolen = Message(Header("session_open", "x", OFFICE, HOME, 0), b"", open_one(lab).body)
        home.take(stolen)
    assert set(home.refused) == {"forged"}
    assert half_open(home, OFFICE) == 0
    assert net["office"].say(HOME, b"") is False
    net.run()
    assert net["office"].say(HOME, b"served all the same")
    net.run()
    assert home.heard == [(OFFICE, b"served all the same")]


def test_a_captured_opening_sent_again_and_again_takes_nothing_from_its_node() -> None:
    net, home, office, _ = three()
    captured = [open_one(office) for _ in range(3)]
    for opening in captured * 100:
        home.take(opening)
    assert home.refused == ["session_repeat"] * 297
    assert half_open(home, OFFICE) == 3
    net.flying.clear()
    net.now += 30
    office.say(HOME, b"")
    net.run()
    assert office.say(HOME, b"the real one")
    net.run()
    assert home.heard == [(OFFICE, b"the real one")]


def test_a_flood_does_not_end_the_session_in_use() -> None:
    net, home, _, lab = three()
    lab.say(HOME, b"")
    net.run()
    lab.say(HOME, b"hello")
    net.run()
    used = current(home, LAB)
    flood(home, lab, 2 * BURST)
    assert home.sessions.sending(LAB) is used
    assert used.usable


@pytest.mark.bound("clawmatrix_core.sessions.table.UNCONFIRMED")
def test_where_all_are_half_open_those_of_whoever_has_most_go_first() -> None:
    net = Net("home", "lab")
    home, lab = net["home"], net["lab"]
    crowd = []
    for number in range(256 - FEW + 2):
        one = End(net, f"node{number}", psk=PSK)
        one.member.meet(home.member)
        home.member.directory.accept(one.member.signed())
        crowd.append(one)
    for one in crowd[:-2]:
        flood(home, one, 1)
    flood(home, lab, FEW)
    for one in crowd[-2:]:
        flood(home, one, 1)
    assert half_open(home, LAB) == FEW - 2
    assert all(half_open(home, one.name) == 1 for one in crowd)


def test_who_opened_nothing_for_a_while_is_forgotten() -> None:
    net, home, _, lab = three()
    flood(home, lab, BURST)
    assert len(home.sessions.negotiation.door) == 1
    net.pass_time(BURST / RATE - 1)
    assert len(home.sessions.negotiation.door) == 1
    net.pass_time(1)
    assert len(home.sessions.negotiation.door) == 0
