"""Pins, conflicts, and what a person decides about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import LocalProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import digits, fingerprint
from clawmatrix_core.members.pins import CONFLICTS_MAX
from clawmatrix_core.members.trust import (
    PINNED_MAX,
    PROVISIONAL_MAX,
    Conflict,
    PinOutcome,
    PinState,
    TrustEntry,
    TrustStore,
)
from clawmatrix_core.state.folder import MemoryState, StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OFFICE, HOME = NodeId("office"), NodeId("home")
NEW, KNOWN, CONFLICT = PinOutcome.NEW, PinOutcome.KNOWN, PinOutcome.CONFLICT


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


class CountingState(MemoryState):
    """Memory that counts how often it is written, and can be made to refuse."""

    writes = 0
    full = False

    def write(self, name: str, value: object) -> None:
        if self.full:
            raise StateError("the disk is full")
        self.writes += 1
        super().write(name, value)


def pinned(store: TrustStore, node_id: NodeId = OFFICE) -> tuple[bytes, PinState]:
    entry = store.get(node_id)
    assert entry is not None
    return entry.sign_public, entry.state


def test_the_first_proof_pins() -> None:
    store = TrustStore(MemoryState())
    assert store.check(OFFICE, key(1), proven=True, now=5.0) is NEW
    assert store.check(OFFICE, key(1), proven=True, now=6.0) is KNOWN
    assert store.check(OFFICE, key(1), proven=False, now=7.0) is KNOWN
    assert store.entries() == [
        TrustEntry(OFFICE, fingerprint(key(1)), key(1), PinState.PINNED, 5.0, (), "linked")
    ]


@pytest.mark.parametrize("proven", [True, False])
def test_another_key_under_a_pinned_name_is_a_conflict(proven: bool) -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    assert store.check(OFFICE, key(2), proven=proven, now=2.0) is CONFLICT
    assert pinned(store) == (key(1), PinState.PINNED)
    assert store.conflicts() == [Conflict(OFFICE, fingerprint(key(2)), key(2), 2.0, 2.0, 1, proven)]
    assert store.entries()[0].conflicts == (fingerprint(key(2)),)


def test_a_conflict_counts_and_remembers_whether_it_was_ever_proven() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    for now, proven in ((2.0, False), (3.0, True), (4.0, False)):
        store.check(OFFICE, key(2), proven=proven, now=now)
    [conflict] = store.conflicts()
    assert (conflict.first_seen, conflict.last_seen, conflict.count) == (2.0, 4.0, 3)
    assert conflict.proven


def test_hearsay_is_provisional_until_it_is_proved() -> None:
    store = TrustStore(MemoryState())
    assert store.check(OFFICE, key(1), proven=False, now=1.0) is NEW
    assert store.check(OFFICE, key(1), proven=False, now=2.0) is KNOWN
    assert pinned(store) == (key(1), PinState.PROVISIONAL)
    assert store.check(OFFICE, key(1), proven=True, now=3.0) is KNOWN
    assert pinned(store) == (key(1), PinState.PINNED)


def test_hearsay_against_hearsay_is_a_conflict() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=False, now=1.0)
    assert store.check(OFFICE, key(2), proven=False, now=2.0) is CONFLICT
    assert pinned(store) == (key(1), PinState.PROVISIONAL)


def test_proof_wins_over_hearsay_and_settles_its_own_conflict() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=False, now=1.0)
    store.check(OFFICE, key(2), proven=False, now=2.0)
    store.check(OFFICE, key(3), proven=False, now=3.0)
    assert store.check(OFFICE, key(2), proven=True, now=4.0) is NEW
    assert pinned(store) == (key(2), PinState.PINNED)
    assert [conflict.sign_public for conflict in store.conflicts()] == [key(3)]
    assert store.check(OFFICE, key(1), proven=True, now=5.0) is CONFLICT


def shortened(text: str) -> str:
    return text[:24].lower().replace("-", " ")


@pytest.mark.parametrize(
    "show",
    [fingerprint, lambda key: shortened(fingerprint(key)), digits],
    ids=["whole", "20 letters", "digits"],
)
def test_accept_lets_a_reinstalled_node_in(show: Callable[[bytes], str]) -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(OFFICE, key(2), proven=True, now=2.0)
    store.check(OFFICE, key(3), proven=True, now=3.0)
    entry = store.accept(OFFICE, show(key(2)))
    assert (entry.sign_public, entry.state, entry.known) == (key(2), PinState.PINNED, "accepted")
    assert entry.conflicts == (fingerprint(key(3)),)
    assert store.check(OFFICE, key(2), proven=True, now=4.0) is KNOWN
    assert store.check(OFFICE, key(1), proven=True, now=4.0) is CONFLICT


@pytest.mark.parametrize("proven", [True, False])
def test_accept_takes_the_present_key_of_a_name_too(proven: bool) -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=proven, now=1.0)
    store.check(OFFICE, key(2), proven=False, now=2.0)
    entry = store.accept(OFFICE, digits(key(1)))
    assert (entry.sign_public, entry.known) == (key(1), "accepted")
    assert entry.conflicts == (fingerprint(key(2)),)
    assert store.check(OFFICE, key(2), proven=True, now=3.0) is CONFLICT


def test_accept_wants_a_key_that_was_shown_under_the_name() -> None:
    store = TrustStore(MemoryState())
    with pytest.raises(LocalProtocolError, match="no key of office with the fingerprint"):
        store.accept(OFFICE, fingerprint(key(1)))
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(HOME, key(2), proven=True, now=1.0)
    with pytest.raises(LocalProtocolError, match="no key of office with the fingerprint"):
        store.accept(OFFICE, fingerprint(key(2)))
    assert pinned(store) == (key(1), PinState.PINNED)


@pytest.mark.parametrize(
    "short",
    [
        lambda key: fingerprint(key)[:4],
        lambda key: fingerprint(key)[:23],
        lambda key: digits(key)[:22],
        lambda key: digits(key)[:-1],
    ],
    ids=["4 letters", "19 letters", "19 digits", "39 digits"],
)
def test_a_part_of_a_fingerprint_that_a_key_can_be_ground_for_is_not_taken(
    short: Callable[[bytes], str],
) -> None:
    true, ground = colliding_keys()
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(OFFICE, ground, proven=True, now=2.0)
    for one in (ground, true, key(1)):
        with pytest.raises(LocalProtocolError, match=r"20 letters|no key of office"):
            store.accept(OFFICE, short(one))
    with pytest.raises(LocalProtocolError, match="no key of office"):
        store.accept(OFFICE, fingerprint(true))
    assert pinned(store) == (key(1), PinState.PINNED)


def colliding_keys() -> tuple[bytes, bytes]:
    """Return two keys whose fingerprints begin with the same four letters."""
    seen: dict[str, bytes] = {}
    number = 2
    while (start := fingerprint(key(number))[:4]) not in seen:
        seen[start] = key(number)
        number += 1
    return seen[start], key(number)


def test_forget_removes_everything_of_a_name() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(OFFICE, key(2), proven=True, now=2.0)
    assert store.forget(OFFICE)
    assert not store.forget(OFFICE)
    assert store.get(OFFICE) is None
    assert (store.entries(), store.conflicts()) == ([], [])
    assert store.check(OFFICE, key(2), proven=True, now=3.0) is NEW


def test_entries_and_conflicts_are_sorted() -> None:
    store = TrustStore(MemoryState())
    for node_id in (OFFICE, HOME):
        for number in range(1, 4):
            store.check(node_id, key(number), proven=True, now=float(number))
    assert [entry.node_id for entry in store.entries()] == [HOME, OFFICE]
    assert [(conflict.node_id, conflict.last_seen) for conflict in store.conflicts()] == [
        (HOME, 3.0),
        (HOME, 2.0),
        (OFFICE, 3.0),
        (OFFICE, 2.0),
    ]
    assert repr(store) == "<TrustStore 2 names, 4 conflicts>"


@pytest.mark.bound("clawmatrix_core.members.pins.CONFLICTS_MAX")
def test_conflicts_of_a_name_are_bounded_and_proven_ones_stay() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=0.0)
    store.check(OFFICE, key(2), proven=True, now=1.0)
    for number in range(3, 100):
        store.check(OFFICE, key(number), proven=False, now=float(number))
    kept = [conflict.sign_public for conflict in store.conflicts()]
    assert kept == [key(number) for number in range(99, 99 - CONFLICTS_MAX + 1, -1)] + [key(2)]


@pytest.mark.bound("clawmatrix_core.members.trust.PROVISIONAL_MAX")
def test_hearsay_cannot_fill_the_store_without_end() -> None:
    store = TrustStore(MemoryState())
    store.check(HOME, key(1), proven=True, now=0.0)
    for number in range(PROVISIONAL_MAX + 5):
        assert store.check(NodeId(f"n{number}"), key(2), proven=False, now=1.0) is NEW
    assert len(store.entries()) == PROVISIONAL_MAX + 1
    assert store.get(NodeId(f"n{PROVISIONAL_MAX - 1}")) is not None
    assert store.get(NodeId(f"n{PROVISIONAL_MAX}")) is None
    assert store.check(OFFICE, key(3), proven=True, now=2.0) is NEW
    assert pinned(store) == (key(3), PinState.PINNED)


def test_everything_outlives_the_process(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        store = TrustStore(folder)
        store.check(OFFICE, key(1), proven=True, now=1.5)
        store.check(OFFICE, key(2), proven=True, now=2.5)
        store.check(HOME, key(3), proven=False, now=3.5)
        store.flush()
        entries, conflicts = store.entries(), store.conflicts()
    with StateFolder(tmp_path) as folder:
        again = TrustStore(folder)
        assert (again.entries(), again.conflicts()) == (entries, conflicts)


def test_proofs_and_decisions_are_written_at_once() -> None:
    state = CountingState()
    store = TrustStore(state)
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(HOME, key(1), proven=True, now=1.0)
    assert set(state.read("trust")) == {OFFICE, HOME}
    store.check(OFFICE, key(2), proven=True, now=1.0)
    store.accept(OFFICE, fingerprint(key(2)))
    store.forget(HOME)
    assert TrustStore(state).entries() == store.entries()
    assert state.writes == 5
    store.flush()
    assert state.writes == 5


def test_what_others_can_repeat_is_written_seldom() -> None:
    state = CountingState()
    store = TrustStore(state)
    for now in range(100):
        store.check(NodeId(f"n{now}"), key(1), proven=False, now=float(now))
        store.check(NodeId("n0"), key(2), proven=False, now=float(now))
    assert state.writes == 10
    store.flush()
    assert state.writes == 11
    assert TrustStore(state).conflicts() == store.conflicts()


def test_a_wall_clock_set_back_does_not_stop_writing() -> None:
    state = CountingState()
    store = TrustStore(state)
    store.check(OFFICE, key(1), proven=False, now=1e9)
    store.check(HOME, key(1), proven=False, now=5.0)
    assert state.writes == 2


def test_what_cannot_be_written_is_remembered_and_written_later() -> None:
    state = CountingState()
    store = TrustStore(state)
    state.full = True
    with pytest.raises(StateError):
        store.check(OFFICE, key(1), proven=True, now=1.0)
    assert pinned(store) == (key(1), PinState.PINNED)
    state.full = False
    store.flush()
    assert TrustStore(state).entries() == store.entries()


@pytest.mark.parametrize(
    "stored",
    [0, [1], {"office": 1}, {"office": {"key": "!", "state": "pinned", "first_seen": 1.0}}],
)
def test_a_damaged_store_is_named_and_never_replaced(stored: object) -> None:
    state = MemoryState()
    state.write("trust", stored)
    with pytest.raises(StateError, match=r"trust .* is damaged"):
        TrustStore(state)
    assert state.read("trust") == stored


@pytest.mark.parametrize("known", [None, key(1), key(2)])
def test_a_key_that_a_person_vouched_for_is_pinned_whatever_was_known(known: bytes | None) -> None:
    store = TrustStore(MemoryState())
    if known is not None:
        store.check(OFFICE, known, proven=True, now=1.0)
    store.insist(OFFICE, key(2), now=5.0)
    assert pinned(store) == (key(2), PinState.PINNED)
    assert store.conflicts() == []


def test_an_entry_has_its_key_as_digits() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    [entry] = store.entries()
    assert entry.digits == digits(key(1))


def test_since_when_a_name_is_proven_outlives_a_restart_and_a_change_of_key() -> None:
    state = MemoryState()
    store = TrustStore(state)
    store.check(OFFICE, key(1), proven=False, now=1.0)
    assert store.proven_since(OFFICE) is None
    store.note_proof(OFFICE, key(2), now=2.0)  # another's key
    assert store.proven_since(OFFICE) is None
    store.note_proof(OFFICE, key(1), now=30.0)
    assert pinned(store) == (key(1), PinState.PROVISIONAL)
    store.check(OFFICE, key(1), proven=True, now=40.0)
    store.succeed(OFFICE, key(3), now=50.0)
    assert store.proven_since(OFFICE) == 30.0
    assert TrustStore(state).proven_since(OFFICE) == 30.0


def test_another_key_that_is_proven_begins_anew() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=False, now=1.0)
    store.note_proof(OFFICE, key(1), now=2.0)
    store.check(OFFICE, key(2), proven=True, now=9.0)
    assert (pinned(store), store.proven_since(OFFICE)) == ((key(2), PinState.PINNED), 9.0)


def test_a_key_that_a_person_accepts_leaves_the_name_its_time() -> None:
    store = TrustStore(MemoryState())
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(OFFICE, key(2), proven=True, now=9.0)
    store.accept(OFFICE, fingerprint(key(2)))
    assert store.proven_since(OFFICE) == 1.0


def test_pins_of_older_versions_are_proven_since_they_were_first_seen() -> None:
    state = MemoryState()
    old = {"key": "AAAA", "state": "pinned", "first_seen": 5.0, "rivals": []}
    state.write("trust", {"office": old, "home": {**old, "state": "provisional"}})
    store = TrustStore(state)
    assert store.proven_since(OFFICE) == 5.0
    assert store.proven_since(HOME) is None


def test_a_name_that_proved_itself_is_remembered_when_it_is_forgotten() -> None:
    state = MemoryState()
    store = TrustStore(state)
    store.check(OFFICE, key(1), proven=True, now=1.0)
    store.check(HOME, key(2), proven=False, now=1.0)
    store.forget(OFFICE)
    store.forget(HOME)
    for one in (store, TrustStore(state)):
        assert (one.is_forgotten(OFFICE), one.is_forgotten(HOME)) == (True, False)
        assert (one.alike("office"), one.alike("home")) == ([OFFICE], [])
        assert one.get(OFFICE) is None


def test_names_are_found_whatever_their_case() -> None:
    store = TrustStore(MemoryState())
    store.check(NodeId("Office"), key(1), proven=False, now=1.0)
    store.check(OFFICE, key(2), proven=True, now=1.0)
    assert store.alike("office") == ["Office", "office"]
    assert store.alike("offic") == []


def test_the_mark_moves_with_names_keys_and_proofs_alone() -> None:
    store = TrustStore(MemoryState())
    marks = [store.mark]
    store.check(OFFICE, key(1), proven=False, now=1.0)
    marks.append(store.mark)
    store.check(OFFICE, key(1), proven=True, now=2.0)
    marks.append(store.mark)
    store.check(OFFICE, key(1), proven=True, now=3.0)
    store.check(OFFICE, key(2), proven=True, now=3.0)  # a conflict
    assert store.mark == marks[-1]
    store.forget(OFFICE)
    marks.append(store.mark)
    assert len(set(marks)) == len(marks)


@pytest.mark.bound("clawmatrix_core.members.trust.PINNED_MAX")
def test_names_that_prove_themselves_are_bounded_and_those_a_person_accepts_are_kept() -> None:
    state = MemoryState()
    one = {"key": "AAAA", "state": "pinned", "first_seen": 5.0, "rivals": []}
    state.write("trust", {f"n{number}": one for number in range(PINNED_MAX)})
    store = TrustStore(state)
    assert store.check(OFFICE, key(1), proven=True, now=6.0) is NEW
    assert store.get(OFFICE) is None
    assert store.check(HOME, key(1), proven=False, now=6.0) is NEW
    assert store.check(HOME, key(1), proven=True, now=7.0) is KNOWN
    assert pinned(store, HOME) == (key(1), PinState.PROVISIONAL)
    assert store.proven_since(HOME) == 7.0
    assert store.check(HOME, key(2), proven=True, now=8.0) is NEW
    assert (pinned(store, HOME)[0], store.proven_since(HOME)) == (key(2), 8.0)
    assert sum(e.state is PinState.PINNED for e in store.entries()) == PINNED_MAX


# --- who is told that a name has another key


def test_each_change_of_a_names_key_is_told() -> None:
    store = TrustStore(MemoryState())
    told: list[tuple[NodeId, bytes | None]] = []
    store.when_rekeyed(lambda name, now_key: told.append((name, now_key)))
    store.check(OFFICE, key(1), proven=False, now=1.0)
    store.check(OFFICE, key(1), proven=True, now=2.0)
    store.check(OFFICE, key(2), proven=True, now=3.0)
    store.learn_past(OFFICE, key(1), (key(7),), now=4.0)
    assert told == []
    store.accept(OFFICE, fingerprint(key(2)))
    store.succeed(OFFICE, key(3), now=5.0)
    store.insist(OFFICE, key(4), now=6.0)
    store.forget(OFFICE)
    assert told == [(OFFICE, key(2)), (OFFICE, key(3)), (OFFICE, key(4)), (OFFICE, None)]


def test_a_proof_that_replaces_hearsay_is_told() -> None:
    store = TrustStore(MemoryState())
    told: list[tuple[NodeId, bytes | None]] = []
    store.check(OFFICE, key(1), proven=False, now=1.0)
    store.when_rekeyed(lambda name, now_key: told.append((name, now_key)))
    store.check(OFFICE, key(2), proven=False, now=2.0)
    assert told == []
    store.check(OFFICE, key(2), proven=True, now=3.0)
    assert told == [(OFFICE, key(2))]
