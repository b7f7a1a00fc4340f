"""New keys while the old ones are in use: when, by whom, and that nothing is lost by it."""

from __future__ import annotations

from random import Random

import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.wire.codec import Header
from tests.core.sessions.session_net import (
    HOME,
    OFFICE,
    End,
    Message,
    Net,
    current,
    link_between,
)

SOON = Rekeying(seconds=60.0, bytes=10_000, bodies=100)
OLD = 61
"""Seconds after which home wants new keys, and office not yet."""


def friends(*, linked: bool = True, rekeying: Rekeying = SOON) -> tuple[Net, End, End]:
    """Return home and office with a session in use, of a link or made by themselves."""
    net = Net()
    for name in ("home", "office"):
        net.start(name, rekeying=rekeying)
    home, office = net["home"], net["office"]
    if linked:
        link_between(net, home, office)
    home.say(OFFICE, b"")
    net.run()
    assert talk(net) == 2
    assert current(home, OFFICE).id == current(office, HOME).id
    return net, home, office


def talk(net: Net, text: bytes = b"hello") -> int:
    """Have both say something; return how many could."""
    said = []
    for end, peer in ((net["home"], OFFICE), (net["office"], HOME)):
        said.append(end.say(peer, text))
        net.run()
    return sum(said)


def live(net: Net, seconds: int) -> None:
    """Let time pass second by second, both talking; everything said has to arrive, once."""
    home, office = net["home"], net["office"]
    before = len(home.heard), len(office.heard)
    for _ in range(seconds):
        assert talk(net) == 2, "somebody had to wait for keys"
        net.pass_time(1)
        net.run()
    assert (len(home.heard) - before[0], len(office.heard) - before[1]) == (seconds, seconds)


# --- when


@pytest.mark.parametrize(
    ("age", "bytes_", "bodies", "due"),
    [(59, 9_999, 99, False), (60, 0, 1, True), (0, 10_000, 1, True), (0, 0, 100, True)],
)
def test_new_keys_are_due_by_age_bytes_and_bodies(
    age: float, bytes_: int, bodies: int, due: bool
) -> None:
    session = Session(b"session1", OFFICE, b"a" * 32, b"b" * 32, "office1", 1000.0)
    for number in range(bodies):
        session.seal(b"", bytes(bytes_) if number == 0 else b"")
    assert (session.sealed, session.sealed_bytes) == (bodies, bytes_)
    assert SOON.is_due(session, 1000.0 + age, first=True) is due
    assert not SOON.is_over(session, 1000.0 + age)


def test_the_node_with_the_smaller_name_begins() -> None:
    session = Session(b"session1", OFFICE, b"a" * 32, b"b" * 32, "office1", 0.0)
    assert SOON.is_due(session, 60.0, first=True)
    assert not SOON.is_due(session, 65.0, first=False)
    assert SOON.is_due(session, 66.0, first=False)


def test_after_twice_the_time_keys_are_no_good() -> None:
    session = Session(b"session1", OFFICE, b"a" * 32, b"b" * 32, "office1", 0.0)
    assert not SOON.is_over(session, 119.0)
    assert SOON.is_over(session, 120.0)


# --- without a pause


@pytest.mark.parametrize("linked", [True, False], ids=["a link's", "their own"])
def test_both_get_new_keys_by_age_and_nothing_is_lost(linked: bool) -> None:
    net, home, office = friends(linked=linked)
    first = current(home, OFFICE)
    live(net, OLD)
    second = current(home, OFFICE)
    assert second.id != first.id
    assert current(office, HOME).id == second.id
    live(net, 600)
    assert len({message.body[:8] for message in net.sent("data")}) in (10, 11, 12)
    assert not net.sent("session_unknown")
    assert not home.refused
    assert not office.refused


@pytest.mark.parametrize("linked", [True, False], ids=["a link's", "their own"])
@pytest.mark.parametrize("talker", ["home", "office"])
def test_new_keys_by_bytes_where_one_only_listens(linked: bool, talker: str) -> None:
    net, home, office = friends(linked=linked)
    one, other = (home, OFFICE) if talker == "home" else (office, HOME)
    listener = office if talker == "home" else home
    before = len(listener.heard)
    for _ in range(100):
        assert one.say(other, bytes(1000))
        net.run()
        net.pass_time(1 / 8)
        net.run()
    assert len(listener.heard) == before + 100
    ids = {message.body[:8] for message in net.sent("data") if message.header.source == one.name}
    assert len(ids) >= 5
    assert not listener.refused


def test_what_was_sealed_under_the_old_keys_still_opens_for_a_while() -> None:
    net, home, office = friends()
    old = current(home, OFFICE)
    live(net, OLD)
    line = b"a straggler"
    early, late = old.seal(line, b"early"), old.seal(line, b"late")
    header = Header("data", "", HOME, OFFICE, 0)
    live(net, 20)
    assert office.sessions.open(header, line, early) == (b"early", home.key)
    live(net, 40)
    assert office.sessions.open(header, line, late) is None
    assert office.counters["unknown_session"] == 1


def test_old_keys_that_the_other_end_still_uses_stay_till_it_stops() -> None:
    net, home, office = friends()
    old = current(home, OFFICE)
    live(net, OLD)
    header, line = Header("data", "", HOME, OFFICE, 0), b"slow to change"
    *bodies, last = [old.seal(line, b"") for _ in range(5)]
    for body in bodies:
        live(net, 12)
        assert office.sessions.open(header, line, body) == (b"", home.key)
    live(net, 32)
    assert office.sessions.open(header, line, last) is None


def test_the_old_keys_are_dropped_at_both_ends_although_somebody_holds_the_session() -> None:
    net, home, office = friends()
    ours, theirs = current(home, OFFICE), current(office, HOME)
    live(net, OLD + 45)
    for session in (ours, theirs):
        assert not session.usable
        with pytest.raises(LocalProtocolError):
            session.seal(b"", b"")
    for end in (home, office):
        assert len(end.sessions.table) == 1
    assert home.sessions.sending_on(ours) is current(home, OFFICE)


def test_no_session_and_counter_is_used_twice_by_one_end() -> None:
    net, _home, _office = friends()
    live(net, 400)
    sealed = net.sent("data") + net.sent("session_proof")
    places = [(message.header.source, message.body[:16]) for message in sealed]
    assert len(places) > 800
    assert len(set(places)) == len(places)


def test_nothing_is_said_again_because_of_new_keys() -> None:
    net, home, office = friends()
    told = len(home.ready), len(office.ready)
    live(net, 300)
    assert (len(home.ready), len(office.ready)) == told


# --- both at once, and what gets lost


@pytest.mark.parametrize("linked", [True, False], ids=["a link's", "their own"])
@pytest.mark.parametrize("seed", range(6))
def test_both_may_begin_at_once_and_agree(linked: bool, seed: int) -> None:
    net, home, office = friends(linked=linked)
    random = Random(seed)
    net.now += OLD
    home.sessions.ensure(OFFICE)
    office.sessions.ensure(HOME)
    while net.flying:  # in any order, as over several paths
        net.ends[net.flying[0].header.to].take(net.flying.pop(0))
        random.shuffle(net.flying)
    for end, peer in ((home, OFFICE), (office, HOME)):
        assert end.say(peer, b"both at once")
    net.run()
    live(net, 3)
    assert current(home, OFFICE).id == current(office, HOME).id
    opened = len(net.sent("session_open"))
    live(net, 40)
    assert len(net.sent("session_open")) == opened
    assert current(home, OFFICE).id == current(office, HOME).id
    assert not net.sent("session_unknown")


@pytest.mark.parametrize("kind", ["session_open", "session_accept", "session_proof"])
@pytest.mark.parametrize("linked", [True, False], ids=["a link's", "their own"])
def test_new_keys_come_although_their_frames_get_lost(kind: str, linked: bool) -> None:
    net, home, office = friends(linked=linked)
    first = current(home, OFFICE).id
    net.drop = lambda message: message.header.type == kind
    live(net, OLD + 10)
    net.drop = lambda _: False
    live(net, 12)
    assert current(home, OFFICE).id == current(office, HOME).id != first
    assert not net.sent("session_unknown")


@pytest.mark.parametrize("seed", range(10))
def test_nothing_said_is_lost_however_the_openings_fare(seed: int) -> None:
    random = Random(seed)
    net, home, office = friends()
    net.drop = lambda message: message.header.type != "data" and random.random() < 0.4
    live(net, 400)
    assert len({message.body[:8] for message in net.sent("data")}) > 4
    assert not set(home.refused + office.refused) - {"session_stray"}


def test_a_listener_takes_the_new_keys_although_nobody_says_anything() -> None:
    net, home, office = friends()
    net.now += OLD
    home.say(OFFICE, b"once")
    for _ in range(4):
        net.pass_time(1)
        net.run()
    assert current(home, OFFICE).id == current(office, HOME).id
    assert current(office, HOME).window.highest >= 0
    before = len(net.log)
    for _ in range(50):
        net.pass_time(1)
        net.run()
    assert len(net.log) == before
    assert talk(net) == 2


def test_an_opener_without_an_answer_goes_back_to_the_keys_before() -> None:
    net, home, office = friends(linked=False)
    old = current(home, OFFICE)
    net.now += OLD
    home.sessions.ensure(OFFICE)
    net.run()
    assert current(home, OFFICE) is not old
    net.drop = lambda _: True
    for _ in range(22):
        net.pass_time(1)
    net.drop = lambda _: False
    assert current(home, OFFICE) is old
    assert talk(net) == 2
    assert office.heard[-1] == (HOME, b"hello")


# --- at the end


def test_keys_that_cannot_be_replaced_are_dropped_in_the_end() -> None:
    net, home, office = friends()
    net.drop = lambda message: message.header.type.startswith("session_")
    live(net, 119)
    ours = current(home, OFFICE)
    net.pass_time(1)
    assert not home.say(OFFICE, b"under no keys at all")
    assert home.sessions.sending_on(ours) is None
    assert home.counters["session_worn_out"] == 1
    net.drop = lambda _: False
    for _ in range(10):
        net.pass_time(1)
        talk(net)
    assert office.heard[-1] == (HOME, b"hello")


def test_a_session_that_nobody_uses_gets_no_new_keys_and_goes_in_the_end() -> None:
    net, home, office = friends(linked=False)
    before = len(net.log)
    for _ in range(119):
        net.pass_time(1)
        net.run()
    assert home.sessions.sending(OFFICE) is not None
    net.pass_time(1)
    for end, peer in ((home, OFFICE), (office, HOME)):
        assert end.sessions.sending(peer) is None
        assert not list(end.sessions.table)
        assert not end.counters
    assert len(net.log) == before


def test_a_hint_about_the_later_keys_of_a_link_is_heeded() -> None:
    net, home, _office = friends()
    live(net, OLD + 2)
    opened = len(net.sent("session_open"))
    home.take(Message(Header("session_unknown", "", OFFICE, HOME, 0), b"", b""))
    assert len(net.sent("session_open")) == opened + 1
