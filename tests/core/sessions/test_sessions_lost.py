"""Sessions that are lost, found, preferred and forgotten."""

from __future__ import annotations

from clawmatrix_core.sessions.session import Session
from clawmatrix_core.wire.codec import Header
from tests.core.sessions.session_net import (
    HOME,
    LAB,
    OFFICE,
    End,
    Message,
    Net,
    current,
    link_between,
    opened,
    pair,
)

# --- lost and found


def test_a_node_that_started_anew_says_so_and_gets_a_new_session() -> None:
    net, home, _ = opened()
    office = net.start("office", run=2)
    home.say(OFFICE, b"lost")
    net.run()
    assert office.counters["unknown_session"] == 1
    assert home.ready[-1] == (OFFICE, "office2")
    assert home.say(OFFICE, b"hello again")
    net.run()
    assert office.heard == [(HOME, b"hello again")]


def test_a_new_session_gets_made_although_its_opening_is_lost() -> None:
    net, home, _ = opened()
    office = net.start("office", run=2)
    net.drop = lambda message: message.header.type == "session_open"
    home.say(OFFICE, b"lost")
    net.run()
    net.drop = lambda _: False
    for _ in range(4):
        net.now += 1
        home.say(OFFICE, b"hello again")
        net.run()
    assert office.heard


def test_hints_are_few_and_nothing_is_dropped_for_them() -> None:
    net, home, office = opened()
    before = current(home, OFFICE)
    for _ in range(10):
        hint = Message(Header("session_unknown", "", OFFICE, HOME, 0), b"", b"")
        home.take(hint)
    assert len(net.sent("session_open")) == 2
    assert home.sessions.sending(OFFICE) is before
    lost = Session(b"unknown!", OFFICE, b"k" * 32, b"k" * 32, "office1", 0.0)
    for _ in range(10):
        office.take(Message(Header("data", "", HOME, OFFICE, 0), b"", lost.seal(b"", b"x")))
    assert len(net.sent("session_unknown")) == 1
    net.pass_time(1)
    office.take(Message(Header("data", "", HOME, OFFICE, 0), b"", lost.seal(b"", b"x")))
    assert len(net.sent("session_unknown")) == 2


def test_hints_about_what_one_does_not_use_are_ignored() -> None:
    net = Net("home", "office", "lab")
    home = net["home"]
    link_between(net, home, net["office"])
    for peer in (OFFICE, LAB):
        home.take(Message(Header("session_unknown", "", peer, HOME, 0), b"", b""))
    assert net.log == []


def test_no_hint_for_a_stranger() -> None:
    net, _home, office = opened()
    office.member.directory.forget(HOME)
    lost = Session(b"unknown!", OFFICE, b"k" * 32, b"k" * 32, "office1", 0.0)
    office.take(Message(Header("data", "", HOME, OFFICE, 0), b"", lost.seal(b"", b"x")))
    assert not net.sent("session_unknown")


def test_sessions_with_earlier_runs_are_forgotten() -> None:
    _, home, office = opened()
    home.sessions.forget(OFFICE, "office1", office.key)
    assert home.sessions.sending(OFFICE) is not None
    home.sessions.forget(LAB, "lab2", bytes(32))
    assert home.sessions.sending(OFFICE) is not None
    home.sessions.forget(OFFICE, "office2", office.key)
    assert home.sessions.sending(OFFICE) is None


# --- links


def test_the_session_of_a_link_is_preferred() -> None:
    net, home, office = opened()
    ours, _ = link_between(net, home, office)
    assert home.sessions.sending(OFFICE) is ours
    assert home.ready[-1] == (OFFICE, "office1")
    home.say(OFFICE, b"over the link")
    net.run()
    assert office.heard[-1] == (HOME, b"over the link")


def test_a_link_makes_an_opening_needless() -> None:
    net, home, office = pair()
    home.say(OFFICE, b"")
    link_between(net, home, office)
    net.run()
    assert home.refused == ["session_stray"]


def test_what_is_on_its_way_when_a_link_closes_still_opens_for_a_while() -> None:
    net, home, office = pair()
    ours, theirs = link_between(net, home, office)
    home.say(OFFICE, b"just in time")
    home.say(OFFICE, b"too late")
    office.sessions.remove_link(theirs)
    home.sessions.remove_link(ours)
    assert home.sessions.sending(OFFICE) is None
    late = net.flying.pop()
    net.pass_time(29)
    net.run()
    assert office.heard == [(HOME, b"just in time")]
    net.pass_time(2)
    office.take(late)
    assert office.counters["unknown_session"] == 1
    home.sessions.remove_link(ours)
    home.sessions.tick()


def test_a_link_that_was_replaced_leaves_the_new_one_alone() -> None:
    net, home, office = pair()
    old, _ = link_between(net, home, office)
    new, _ = link_between(net, home, office, b"link0002")
    home.sessions.remove_link(old)
    assert home.sessions.sending(OFFICE) is new


def test_a_later_run_heard_by_another_way_is_preferred_to_a_link_that_is_dead() -> None:
    net, home, _ = pair()
    link_between(net, home, net["office"])
    net.now += 5
    office = net.start("office", run=2)
    office.say(HOME, b"")
    net.run()
    office.say(HOME, b"it is me again")
    net.run()
    assert home.heard == [(OFFICE, b"it is me again")]
    assert home.sessions.instance_of(OFFICE) == "office2"


def test_an_earlier_run_does_not_take_the_place_of_a_link() -> None:
    net, home, _office = opened()
    net.now += 5
    link_between(net, home, net.start("office", run=2))
    assert home.sessions.instance_of(OFFICE) == "office2"


# --- bounds


def open_again(net: Net, home: End, office: End) -> None:
    """Make one more session, which home uses."""
    home.sessions.negotiation.give_up(OFFICE)
    home.sessions.ensure(OFFICE)
    net.run()
    home.say(OFFICE, b"")
    net.run()


def test_only_a_few_sessions_of_one_peer_are_kept() -> None:
    net, home, office = opened()
    for _ in range(20):
        open_again(net, home, office)
    for end in (home, office):
        assert len(end.sessions.table) == 5
    home.say(OFFICE, b"and it works")
    net.run()
    assert office.heard[-1] == (HOME, b"and it works")


def test_replays_of_openings_drive_out_no_session_in_use() -> None:
    net, home, office = opened()
    [opening] = net.sent("session_open")
    old = current(home, OFFICE)
    open_again(net, home, office)
    line = b"sealed under the session before"
    for _ in range(300):
        office.take(opening)
    assert len(office.sessions.table) <= 5
    header = Header("data", "", HOME, OFFICE, 0)
    assert office.sessions.open(header, line, old.seal(line, b"x")) == (b"x", home.key)
    net.flying.clear()
    home.say(OFFICE, b"hello")
    net.run()
    assert office.heard[-1] == (HOME, b"hello")


def test_sessions_that_nobody_uses_are_bounded_and_go_in_time() -> None:
    net = Net("home")
    home = net["home"]
    strangers = [End(net, f"node{number}") for number in range(300)]
    for stranger in strangers:
        stranger.member.meet(home.member)
        home.member.directory.accept(stranger.member.signed())
        net.ends[stranger.name] = stranger
        stranger.sessions.ensure(HOME)
    net.drop = lambda _: True
    net.run()
    assert len(home.sessions.table) == 256
    net.pass_time(29)
    assert len(home.sessions.table) == 256
    net.pass_time(2)
    assert len(home.sessions.table) == 0


def test_one_peers_sessions_do_not_go_for_many_others() -> None:
    """The bound over all peers counts only sessions that wait to be proved."""
    net, home, office = opened()
    open_again(net, home, office)
    kept = len(office.sessions.table)
    strangers = [End(net, f"node{number}") for number in range(260)]
    for stranger in strangers:
        stranger.member.meet(office.member)
        office.member.directory.accept(stranger.member.signed())
        net.ends[stranger.name] = stranger
        stranger.sessions.ensure(OFFICE)
    net.drop = lambda _: True
    net.run()
    assert len(office.sessions.table) == kept + 256


def test_openings_and_hints_are_forgotten() -> None:
    net, home, _office = opened()
    home.take(Message(Header("session_unknown", "", OFFICE, HOME, 0), b"", b""))
    net.flying.clear()
    assert home.sessions.negotiation
    net.pass_time(61)
    assert not home.sessions.negotiation
    assert not home.sessions.hints
