"""Sessions between nodes that are no neighbours: made, lost, forged, and made again."""

from __future__ import annotations

from random import Random

import pytest

from clawmatrix_core.base.errors import DecryptError
from clawmatrix_core.wire.codec import Header
from tests.core.members.members import base64_of
from tests.core.sessions.session_net import (
    HOME,
    LAB,
    OFFICE,
    Message,
    Net,
    member_handshake,
    opened,
    pair,
)

# --- making them


def test_two_messages_make_a_session() -> None:
    net, home, _office = pair()
    assert not home.say(OFFICE, b"too early")
    assert home.sessions.instance_of(OFFICE) is None
    net.run()
    assert home.ready == [(OFFICE, "office1")]
    assert home.sessions.instance_of(OFFICE) == "office1"
    assert [message.header.type for message in net.log] == ["session_open", "session_accept"]
    assert repr(home.sessions) == "<Sessions of home: 0 links, 1 others, 0 opening>"


def test_the_answering_side_uses_it_when_the_opener_has_proved_to_be_live() -> None:
    net, home, office = pair()
    home.say(OFFICE, b"")
    net.run()
    assert office.sessions.sending(HOME) is None
    assert office.ready == []
    assert home.say(OFFICE, b"hello")
    net.run()
    assert office.heard == [(HOME, b"hello")]
    assert office.ready == [(HOME, "home1")]
    assert office.say(HOME, b"hi")
    net.run()
    assert home.heard == [(OFFICE, b"hi")]
    assert len(net.sent("session_open")) == 1


def test_no_session_with_a_stranger() -> None:
    net, home, office = pair()
    home.sessions.ensure(LAB)
    assert net.log == []
    office.member.directory.forget(HOME)
    home.say(OFFICE, b"")
    net.run()
    assert office.refused == ["session_stranger"]


def test_no_session_with_one_who_has_another_secret() -> None:
    net = Net("home")
    office = net.start("office", psk=bytes(32))
    net["home"].say(OFFICE, b"")
    net.run()
    assert office.refused == ["forged"]
    assert office.sessions.sending(HOME) is None


def test_no_session_by_a_key_that_no_honest_node_has() -> None:
    net, home, _ = pair()
    bad = net["office"].member.signed(seq=2, channel_key=base64_of(bytes(32)))
    home.member.directory.accept(bad)
    assert not home.say(OFFICE, b"")
    assert home.counters["bad_key"] == 1
    assert net.log == []
    net.now += 0.2
    assert not home.say(OFFICE, b"")
    assert home.counters["bad_key"] == 1


def test_a_lost_opening_is_tried_again_at_growing_intervals() -> None:
    net, home, _office = pair()
    net.drop = lambda _: True
    times = []
    for _ in range(480):
        before = len(net.log)
        home.sessions.ensure(OFFICE)
        times += [net.now - 100] * (len(net.log) - before)
        net.now += 0.0625
    assert times == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 23.75]
    assert home.direct == [True, True, False, False] * 2, "neither way alone"
    net.drop = lambda _: False
    net.now += 8
    home.say(OFFICE, b"")
    net.run()
    assert home.say(OFFICE, b"at last")


def test_a_lost_acceptance_is_made_good_by_the_next_try() -> None:
    net, home, office = pair()
    net.drop = lambda message: message.header.type == "session_accept"
    home.say(OFFICE, b"")
    net.run()
    net.drop = lambda _: False
    net.now += 1
    home.say(OFFICE, b"")
    net.run()
    assert home.say(OFFICE, b"hello")
    net.run()
    assert office.heard == [(HOME, b"hello")]


def test_both_may_open_at_once() -> None:
    net, home, office = pair()
    home.say(OFFICE, b"")
    office.say(HOME, b"")
    net.run()
    for turn in range(3):
        assert home.say(OFFICE, b"%d" % turn)
        assert office.say(HOME, b"%d" % turn)
        net.run()
    assert len(home.heard) == len(office.heard) == 3
    assert len(net.sent("session_open")) == 2
    assert not net.sent("session_unknown")


@pytest.mark.parametrize("seed", range(20))
def test_in_the_end_both_understand_each_other_over_a_bad_path(seed: int) -> None:
    random = Random(seed)
    net, home, office = pair()
    net.drop = lambda _: random.random() < 0.3
    for turn in range(150):
        if turn == 100:
            net.drop = lambda _: False
            home.heard.clear()
            office.heard.clear()
        for end, peer in ((home, OFFICE), (office, HOME)):
            if random.random() < 0.5 or turn > 100:
                end.say(peer, b"%d" % turn)
        if turn in (30, 60):
            office = net.start("office", run=turn)
        random.shuffle(net.flying)
        net.run()
        net.pass_time(random.choice([0.1, 1.0, 10.0]))
    assert len(home.heard) > 30
    assert len(office.heard) > 30


# --- forged, replayed, stray


def test_what_is_sealed_by_one_does_not_come_from_another() -> None:
    net, home, office = opened()
    home.say(OFFICE, b"I am the lab")
    [message] = net.flying
    lie = Message(Header("data", "", LAB, OFFICE, 0), message.line, message.body)
    with pytest.raises(DecryptError) as caught:
        office.sessions.open(lie.header, lie.line, lie.body)
    assert caught.value.reason == "forged"
    net.run()
    assert office.heard[-1] == (HOME, b"I am the lab")


def test_a_body_too_short_for_a_session_is_refused() -> None:
    _, _, office = opened()
    with pytest.raises(DecryptError) as caught:
        office.sessions.open(Header("data", "", HOME, OFFICE, 0), b"", b"short")
    assert caught.value.reason == "short"


def test_a_forged_opening_makes_nothing() -> None:
    net, home, office = pair()
    home.say(OFFICE, b"")
    [message] = net.flying
    body = bytearray(message.body)
    body[-1] ^= 1
    office.take(Message(message.header, b"", bytes(body)))
    office.take(Message(message.header, b"", b""))
    assert office.refused == ["forged", "short"]
    assert len(office.sessions.table) == 0


def test_an_opening_of_one_does_not_open_for_another() -> None:
    """Nor does a node's own opening, sent back to it."""
    net = Net("home", "office", "lab")
    home, office = net["home"], net["office"]
    home.say(OFFICE, b"")
    [message] = net.flying
    for source, target in ((LAB, office), (OFFICE, home), (HOME, home)):
        header = Header("session_open", "x", source, target.name, 0)
        target.take(Message(header, b"", message.body))
    assert office.refused == ["forged"]
    assert home.refused == ["forged", "forged"]


def test_a_replayed_opening_changes_nothing() -> None:
    net, home, office = opened()
    [opening] = net.sent("session_open")
    before = office.sessions.sending(HOME)
    office.take(opening)
    assert office.refused == ["session_repeat"]
    net.pass_time(60)  # it is forgotten, and answered; but nobody can prove that it is theirs
    office.take(opening)
    assert office.sessions.sending(HOME) is before
    net.run()
    assert home.refused == ["session_stray"]
    assert home.say(OFFICE, b"still here")
    net.run()
    assert office.heard[-1] == (HOME, b"still here")


def test_a_replayed_acceptance_is_stray() -> None:
    net, home, _office = opened()
    [acceptance] = net.sent("session_accept")
    home.take(acceptance)
    assert home.refused == ["session_stray"]


def test_a_forged_acceptance_costs_one_try() -> None:
    net, home, _office = pair()
    net.drop = lambda message: message.header.type == "session_accept"
    home.say(OFFICE, b"")
    net.run()
    acceptance = net.log[-1]
    forged = Message(acceptance.header, b"", bytes(len(acceptance.body)))
    home.take(forged)
    home.take(acceptance)
    assert home.refused[1:] == ["session_stray"]
    net.drop = lambda _: False
    net.now += 1
    home.say(OFFICE, b"")
    net.run()
    assert home.say(OFFICE, b"hello")


@pytest.mark.parametrize("instance", [b"", b"i" * 65, b"two words", b"\xff", "ü".encode()])
def test_an_opening_without_a_word_for_its_run_is_refused(instance: bytes) -> None:
    net, home, _ = pair()
    body = member_handshake(net, initiator=True).write(instance)
    home.take(Message(Header("session_open", "1", OFFICE, HOME, 0), b"", body))
    assert home.refused == ["bad_session"]


def test_an_acceptance_without_a_word_for_its_run_is_refused() -> None:
    net, home, _ = pair()
    home.say(OFFICE, b"")
    opening = net.flying.pop()
    handshake = member_handshake(net, initiator=False)
    handshake.read(opening.body)
    header = Header("session_accept", opening.header.id, OFFICE, HOME, 0)
    body = handshake.write(b"no word")
    for _ in range(2):
        home.take(Message(header, b"", body))
    assert home.refused == ["bad_session", "session_stray"]


def test_an_opening_frame_of_no_known_type_is_left_alone() -> None:
    net, home, _ = pair()
    home.sessions.on_frame(Header("session_later", "", OFFICE, HOME, 0), b"")
    assert net.log == []
