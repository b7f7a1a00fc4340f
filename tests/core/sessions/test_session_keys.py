"""A session has the key that it was opened with, and ends when its peer's name has another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.members.record import NodeRecord
from clawmatrix_core.wire.codec import Header
from tests.core.members.members import Member, base64_of
from tests.core.sessions.session_net import (
    HOME,
    OFFICE,
    Message,
    current,
    link_between,
    member_handshake,
    opened,
    pair,
)

if TYPE_CHECKING:
    from tests.core.sessions.session_net import End, Net


def rename(office: End, *, instance: str = "home1") -> Member:
    """Have office know home by another key, with the same word of its run."""
    other = Member("home", life=2)
    office.member.trust.insist(HOME, other.identity.sign_public, now=1.0)
    office.member.directory.accept(other.signed(instance=instance, epoch=2))
    return other


def test_both_ends_of_a_session_have_the_others_key() -> None:
    _, home, office = opened()
    assert current(home, OFFICE).peer_key == office.key
    assert current(office, HOME).peer_key == home.key
    assert {office.sessions.key_of(HOME), *office.keys} == {home.key}
    assert office.sessions.with_key(home.key) == {HOME}
    assert office.sessions.key_of(OFFICE) == office.key
    assert office.sessions.instance_of(OFFICE) == office.instance


def test_a_session_keeps_its_key_whatever_key_its_name_has_later() -> None:
    net, home, office = opened()
    other = rename(office)
    home.say(OFFICE, b"still me")
    net.run()
    assert office.keys[-1] == current(office, HOME).peer_key == home.key
    assert home.key != other.identity.sign_public


def test_a_session_under_another_key_is_not_kept_for_the_word_of_its_run() -> None:
    net, home, office = opened()
    other = rename(office)
    assert current(office, HOME).remote_instance == "home1"
    office.sessions.forget(HOME, "home1", other.identity.sign_public)
    assert office.sessions.sending(HOME) is None
    heard = len(office.heard)
    home.say(OFFICE, b"still me")
    net.run()
    assert len(office.heard) == heard


@pytest.mark.parametrize("forgotten", [True, False])
def test_sessions_end_with_the_key_of_the_name(forgotten: bool) -> None:
    _, home, office = opened()
    link_between(_, office, home)
    office.sessions.keep_key(HOME, home.key)
    assert len(office.sessions.table) == 2
    other = rename(office).identity.sign_public
    office.sessions.keep_key(HOME, None if forgotten else other)
    assert not office.sessions.all


def test_an_opening_with_an_earlier_key_leads_to_no_session() -> None:
    net, home, office = pair()
    office.say(HOME, b"hello")
    [asked] = net.flying
    rename(office)
    office.sessions.keep_key(HOME, Member("home", life=2).identity.sign_public)
    net.run()
    assert asked.header.type == "session_open"
    assert net.sent("session_accept")
    assert office.refused == ["session_stray"]
    assert office.sessions.all == ()
    assert home.refused == []


def test_no_session_is_opened_with_a_record_whose_key_is_not_the_names() -> None:
    net, home, office = pair()
    office.member.trust.insist(HOME, Member("home", life=2).identity.sign_public, now=1.0)
    office.say(HOME, b"hello")
    assert not net.log
    home.say(OFFICE, b"hello")
    net.run()
    assert office.refused == ["session_stranger"]
    assert not office.sessions.all


def test_an_opening_under_way_goes_on_where_the_key_stays() -> None:
    net, home, office = pair()
    office.say(HOME, b"hello")
    office.sessions.keep_key(HOME, home.key)
    office.sessions.forget(HOME, "home1", home.key)
    net.run()
    assert current(office, HOME).peer_key == home.key


def test_a_session_under_an_earlier_key_proves_nothing_of_the_present_one() -> None:
    net, home, office = pair()
    home.say(OFFICE, b"hello")
    net.run()  # office has accepted, and nothing has come under the session yet
    other = rename(office)
    trust = office.member.trust
    trust.forget(HOME)
    trust.check(HOME, other.identity.sign_public, proven=False, now=2.0)
    home.say(OFFICE, b"hello")
    net.run()
    assert office.heard[-1] == (HOME, b"hello")
    assert trust.proven_since(HOME) is None


def borrow(end: End, name: str, of: End, features: tuple[str, ...]) -> None:
    """Have an end know a name by a record that a thief signed, with the real node's channel key."""
    thief = Member(name, life=2)
    end.member.directory.forget(thief.name)
    end.member.trust.forget(thief.name)
    borrowed = base64_of(of.member.identity.channel_public)
    changes = {"channel_key": borrowed, "instance": of.instance, "features": features}
    end.member.directory.accept(thief.signed(epoch=9, **changes))


ANY_FEATURES = pytest.mark.parametrize("features", [NodeRecord.CORE_FEATURES, ()])


@ANY_FEATURES
def test_a_caller_makes_no_session_by_a_record_with_another_nodes_channel_key(
    features: tuple[str, ...],
) -> None:
    net, home, office = pair()
    borrow(office, "home", home, features)
    office.say(HOME, b"for the thief")
    net.run()
    assert office.refused + home.refused == ["session_key"]
    assert not office.sessions.all


@ANY_FEATURES
def test_who_is_called_makes_no_session_by_a_record_with_another_nodes_channel_key(
    features: tuple[str, ...],
) -> None:
    net, home, office = pair()
    borrow(office, "home", home, features)
    home.say(OFFICE, b"as myself")
    net.run()
    assert office.refused == ["session_key"]
    assert not office.sessions.all


def older_office() -> tuple[Net, End]:
    """Return home, which knows office as a node that says no key when it opens sessions."""
    net, home, office = pair()
    home.member.directory.accept(office.member.signed(features=(), seq=2))
    return net, home


def test_an_older_node_is_told_no_key_when_a_session_is_opened_with_it() -> None:
    net, home = older_office()
    home.say(OFFICE, b"hello")
    [opening] = net.flying
    handshake = member_handshake(net, initiator=False)
    assert handshake.read(opening.body) == b"home1"
    answer = Header("session_accept", opening.header.id, OFFICE, HOME, 0)
    home.take(Message(answer, b"", handshake.write(b"office1")))
    assert current(home, OFFICE).peer_key == net["office"].key


def test_an_older_node_is_told_no_key_when_it_opens_a_session() -> None:
    net, home = older_office()
    handshake = member_handshake(net, initiator=True)
    body = handshake.write(b"office1")
    home.take(Message(Header("session_open", "1", OFFICE, HOME, 0), b"", body))
    [accepted] = net.sent("session_accept")
    assert handshake.read(accepted.body) == b"home1"
    assert home.refused == []


@pytest.mark.parametrize("text", [b"home1.", b"home1.AAAA", b"home1.!", b".AAAA"])
def test_an_opening_with_a_malformed_key_is_refused(text: bytes) -> None:
    net, home, _ = pair()
    body = member_handshake(net, initiator=True).write(text)
    home.take(Message(Header("session_open", "1", OFFICE, HOME, 0), b"", body))
    assert home.refused in (["bad_session"], ["session_key"])
    assert not home.sessions.all
