"""How a key is known: each way of it, what it takes, and what takes it away."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity, digits, fingerprint, key_text
from clawmatrix_core.members.pins import PinOutcome, PinState
from clawmatrix_core.members.succession import hand_over
from clawmatrix_core.members.trust import PROVISIONAL_MAX, TrustStore
from clawmatrix_core.state.folder import MemoryState
from tests.core.members.members import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.members.pins import Known

HOME = NodeId("home")
STORED = Path(__file__).parents[2] / "data" / "trust" / "before_levels.json"


def key(number: object) -> bytes:
    return Identity.generate(Random(f"{number}").randbytes).sign_public


def known(store: TrustStore, number: object = 1, name: NodeId = HOME) -> Known:
    return store.how_known(name, key_text(key(number)))


def heard(store: TrustStore) -> None:
    store.check(HOME, key(1), proven=False, now=1.0)


def linked(store: TrustStore) -> None:
    store.check(HOME, key(1), proven=True, now=1.0)


def introduced(store: TrustStore) -> None:
    heard(store)
    store.introduce({HOME: key(1)}, now=2.0)


def invited(store: TrustStore) -> None:
    store.insist(HOME, key(1), now=1.0)


def accepted(store: TrustStore) -> None:
    heard(store)
    store.accept(HOME, fingerprint(key(1)))


WAYS: dict[Known, Callable[[TrustStore], None]] = {
    "hearsay": heard,
    "linked": linked,
    "introduced": introduced,
    "invited": invited,
    "accepted": accepted,
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_holds_for_exactly_that_key(way: Known) -> None:
    state = MemoryState()
    store = TrustStore(state)
    WAYS[way](store)
    assert known(store) == store.how_known(HOME, key(1)) == way
    assert [entry.known for entry in store.entries()] == [way]
    assert known(store, 2) == "hearsay"
    assert known(store, 1, NodeId("office")) == "hearsay"
    store.flush()
    later = TrustStore(state)
    assert known(later) == ("hearsay" if way == "introduced" else way)


@pytest.mark.parametrize("way", WAYS)
def test_another_key_is_never_known_by_what_its_name_is_known_by(way: Known) -> None:
    store = TrustStore(MemoryState())
    WAYS[way](store)
    store.check(HOME, key(2), proven=False, now=3.0)
    assert (known(store, 1), known(store, 2)) == (way, "hearsay")
    outcome = store.check(HOME, key(2), proven=True, now=4.0)
    if way in ("hearsay", "introduced"):  # a link beats these, and proves no name
        assert (known(store, 1), known(store, 2)) == ("hearsay", "linked")
    else:
        assert outcome is PinOutcome.CONFLICT
        assert (known(store, 1), known(store, 2)) == (way, "hearsay")


def test_a_forgotten_key_is_known_by_nothing() -> None:
    store = TrustStore(MemoryState())
    accepted(store)
    store.forget(HOME)
    assert known(store) == "hearsay"
    linked(store)
    assert known(store) == "linked"


def test_an_invitation_does_not_lower_what_a_person_accepted() -> None:
    store = TrustStore(MemoryState())
    accepted(store)
    invited(store)
    assert known(store) == "accepted"
    store.insist(HOME, key(2), now=2.0)  # the token named another key
    assert (known(store, 1), known(store, 2)) == ("hearsay", "invited")


# --- keys that gave their name up


@pytest.mark.parametrize("way", WAYS)
def test_a_change_of_key_that_this_store_followed_keeps_the_way_and_retires_the_key(
    way: Known,
) -> None:
    state = MemoryState()
    store = TrustStore(state)
    WAYS[way](store)
    store.succeed(HOME, key(2), now=3.0)
    assert (known(store, 1), known(store, 2)) == ("hearsay", way)
    assert (store.retired(key_text(key(1))), store.retired(key_text(key(2)))) == (True, False)
    assert (store.retired(key(1)), store.retired(key(2))) == (True, False)
    one, two = key_text(key(1)), key_text(key(2))
    for again in (store, TrustStore(state)):
        assert again.followed(HOME, one, two)
        assert again.followed(HOME, two, two)
        assert not again.followed(HOME, two, one)
        assert not again.followed(HOME, one, one)


def test_a_retired_key_cannot_be_accepted_again() -> None:
    store = TrustStore(MemoryState())
    linked(store)
    store.succeed(HOME, key(2), now=2.0)
    assert store.check(HOME, key(1), proven=True, now=3.0) is PinOutcome.CONFLICT
    for shown in (fingerprint(key(1)), digits(key(1))):
        with pytest.raises(LocalProtocolError, match="home gave this key up"):
            store.accept(HOME, shown)
    assert (known(store, 1), known(store, 2)) == ("hearsay", "linked")


def test_a_token_of_a_retired_key_binds_nothing() -> None:
    store = TrustStore(MemoryState())
    accepted(store)
    store.succeed(HOME, key(2), now=2.0)
    store.insist(HOME, key(1), now=3.0)
    assert (known(store, 1), known(store, 2)) == ("hearsay", "accepted")
    assert [one.sign_public for one in store.conflicts()] == [key(1)]


def test_a_retired_key_is_hearsay_even_where_its_owner_took_it_back() -> None:
    store = TrustStore(MemoryState())
    accepted(store)
    store.succeed(HOME, key(2), now=2.0)
    store.learn_past(HOME, key(2), (key(1), key(2)), now=3.0)
    assert known(store, 2) == "hearsay"


def test_the_earlier_keys_in_a_record_prove_nothing_of_its_present_one() -> None:
    old, office = Member("home", life=1), Member("office")
    new = Member("home", life=2)
    chain = (hand_over("home", old.identity, new.identity.sign_public, 5),)
    office.meet()
    office.directory.accept(new.signed(succession=chain))  # office never knew home by the old key
    was, now = old.identity.key_text, new.identity.key_text
    office.trust.introduce({HOME: old.identity.sign_public}, now=1.0)
    assert new.record(succession=chain).past_keys() == (old.identity.sign_public,)
    assert office.trust.how_known(HOME, now) == "hearsay"
    assert office.trust.how_known(HOME, was) == "hearsay"
    assert office.trust.keys(HOME) == (new.identity.sign_public, old.identity.sign_public)
    assert not office.trust.followed(HOME, was, now)
    assert office.trust.retired(was)


# --- introductions


def test_an_introduction_takes_the_place_of_hearsay_and_shows_what_was_there() -> None:
    store = TrustStore(MemoryState())
    told: list[tuple[NodeId, bytes | None]] = []
    store.check(HOME, key("squatter"), proven=False, now=1.0)
    store.when_rekeyed(lambda name, now_key: told.append((name, now_key)))
    assert store.introduce({HOME: key(1)}, now=2.0) == [HOME]
    assert (known(store), known(store, "squatter")) == ("introduced", "hearsay")
    assert told == [(HOME, key(1))]
    assert [one.sign_public for one in store.conflicts()] == [key("squatter")]
    assert store.check(HOME, key("squatter"), proven=False, now=3.0) is PinOutcome.CONFLICT


def test_hearsay_that_comes_after_an_introduction_does_not_get_the_name() -> None:
    store = TrustStore(MemoryState())
    store.introduce({HOME: key(1)}, now=1.0)
    assert store.get(HOME) is None
    assert store.check(HOME, key("squatter"), proven=False, now=2.0) is PinOutcome.CONFLICT
    assert (known(store), known(store, "squatter")) == ("introduced", "hearsay")


@pytest.mark.parametrize("way", ["linked", "invited", "accepted"])
@pytest.mark.parametrize("first", [True, False], ids=["introduced first", "introduced later"])
def test_an_introduction_beats_no_link_no_invitation_and_no_person(way: Known, first: bool) -> None:
    store = TrustStore(MemoryState())
    if first:
        store.introduce({HOME: key(2)}, now=0.5)
    if first and way == "accepted":  # the key was shown, and refused for the introduced one
        store.check(HOME, key(1), proven=False, now=0.8)
        store.accept(HOME, fingerprint(key(1)))
    else:
        WAYS[way](store)
    assert store.introduce({HOME: key(2)}, now=2.0) == []
    assert (known(store, 1), known(store, 2)) == (way, "hearsay")


def test_a_key_that_a_link_displaced_is_shown_with_those_refused() -> None:
    store = TrustStore(MemoryState())
    introduced(store)
    store.check(HOME, key(2), proven=True, now=3.0)
    assert [one.sign_public for one in store.conflicts()] == [key(1)]
    store.accept(HOME, fingerprint(key(1)))
    assert known(store) == "accepted"


def test_an_introduction_of_a_retired_key_gives_nothing() -> None:
    store = TrustStore(MemoryState())
    heard(store)
    store.learn_past(HOME, key(1), (key(0),), now=2.0)
    assert store.introduce({HOME: key(0)}, now=3.0) == []
    assert (known(store, 0), known(store, 1)) == ("hearsay", "hearsay")


def test_who_is_introduced_no_more_is_known_by_what_is_left() -> None:
    store = TrustStore(MemoryState())
    linked(store)
    store.introduce({HOME: key(1)}, now=2.0)
    assert known(store) == "introduced"
    store.introduce({}, now=3.0)
    assert known(store) == "linked"


def test_a_flood_of_hearsay_keeps_no_introduced_key_out() -> None:
    store = TrustStore(MemoryState())
    store.introduce({HOME: key(1)}, now=1.0)
    for number in range(PROVISIONAL_MAX):
        store.check(NodeId(f"n{number}"), key(0), proven=False, now=1.0)
    assert store.check(HOME, key("squatter"), proven=False, now=2.0) is PinOutcome.CONFLICT
    assert known(store) == "introduced"
    store.check(NodeId("late"), key(0), proven=False, now=2.0)
    assert store.get(NodeId("late")) is None


def test_only_accepted_and_invited_keys_are_vouched_for() -> None:
    store = TrustStore(MemoryState())
    for way, make in WAYS.items():
        make(store)
        assert (HOME in store.vouched()) == (way in ("accepted", "invited"))
        store.introduce({}, now=0.0)
        store.forget(HOME)


def test_each_change_of_how_a_key_is_known_is_told_and_counted() -> None:
    store = TrustStore(MemoryState())
    told: list[NodeId] = []
    store.when_releveled(told.append)
    marks = [store.mark]
    for change in (
        linked,
        lambda store: store.introduce({HOME: key(1)}, now=2.0),
        lambda store: store.introduce({}, now=3.0),
        invited,
        accepted,
        lambda store: store.forget(HOME),
    ):
        change(store)
        marks.append(store.mark)
    assert told == [HOME] * 5  # all but the first, with which the name came
    assert len(set(marks)) == len(marks)


# --- the file of the version before


def test_pins_of_the_version_before_are_linked_or_hearsay() -> None:
    state = MemoryState()
    state.write("trust", json.loads(STORED.read_text())["data"])
    store = TrustStore(state)
    assert {str(entry.node_id): entry.known for entry in store.entries()} == {
        "accepted": "linked",
        "heard": "hearsay",
        "inviter": "linked",
        "linked": "linked",
        "rotated": "linked",
    }
    for name in ("accepted", "heard", "inviter", "linked"):
        assert store.keys(NodeId(name)) == (key(name),)
    assert store.keys(NodeId("rotated")) == (key("rotated 2"), key("rotated 1"))
    assert not store.followed(
        NodeId("rotated"), key_text(key("rotated 1")), key_text(key("rotated 2"))
    )
    assert store.retired(key_text(key("rotated 1")))
    assert [one.sign_public for one in store.conflicts()] == [key("rival")]
    store.accept(NodeId("heard"), digits(key("heard")))
    again = TrustStore(state)
    assert known(again, "heard", NodeId("heard")) == "accepted"
    entry = again.get(NodeId("heard"))
    assert entry is not None
    assert entry.state is PinState.PINNED
