"""What waits for an approval, and what was decided, without a disk."""

from __future__ import annotations

import json

import attrs
import pytest

from clawmatrix_core import NodeId, key_text
from clawmatrix_grants.approvals.stored import read_table, table_json
from clawmatrix_grants.approvals.table import (
    DECIDED,
    PENDING,
    PENDING_OF_ONE,
    SET_BACK,
    ApprovalTable,
    Full,
)
from tests.plugins.grants.approvals.helpers import call_of
from tests.plugins.grants.approvals.test_call import OTHER_FIELDS

NOW = 1_800_000_000.0
CALL = call_of()


def waiting(*calls: object, until: float = NOW + 3600) -> ApprovalTable:
    table = ApprovalTable()
    for n, call in enumerate(calls or (CALL,)):
        table = table.requested(call, f"id{n}", now=NOW, until=until)  # type: ignore[arg-type]
    return table


def allowed(*, repeats: bool = False, until: float = NOW + 60) -> ApprovalTable:
    return waiting().allowed("id0", now=NOW, until=until, repeats=repeats)


def test_what_nobody_allowed_cannot_be_used() -> None:
    for table in (ApprovalTable(), waiting(), waiting().refused("id0", now=NOW, until=NOW + 60)):
        with pytest.raises(LookupError, match="nobody allowed"):
            table.used(CALL, now=NOW)


def test_an_approval_is_used_once() -> None:
    used = allowed().used(CALL, now=NOW + 1)
    assert len(used) == 0
    with pytest.raises(LookupError):
        used.used(CALL, now=NOW + 1)


def test_one_that_repeats_is_used_until_it_ends() -> None:
    table = allowed(repeats=True)
    assert table.used(CALL, now=NOW + 1).used(CALL, now=NOW + 59) == table
    with pytest.raises(LookupError):
        table.used(CALL, now=NOW + 60)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("field", OTHER_FIELDS)
def test_it_is_for_exactly_its_call(field: str, repeats: bool) -> None:
    call = call_of()
    table = waiting(call).allowed("id0", now=NOW, until=NOW + 60, repeats=repeats)
    other = attrs.evolve(call, **{field: OTHER_FIELDS[field]})
    with pytest.raises(LookupError):
        table.used(other, now=NOW)
    assert table.get(other, NOW) is None


@pytest.mark.parametrize("state", ["pending", "allowed", "refused"])
def test_it_ends_in_time_and_when_the_clock_is_set_back_far(state: str) -> None:
    table = {
        "pending": waiting(until=NOW + 60),
        "allowed": allowed(),
        "refused": waiting().refused("id0", now=NOW, until=NOW + 60),
    }[state]
    for now in (NOW, NOW + 59.9, NOW - SET_BACK):
        assert table.get(CALL, now) is not None
    for now in (NOW + 60, NOW - SET_BACK - 1):
        assert table.get(CALL, now) is None
        assert len(table.living(now)) == 0
        with pytest.raises(LookupError, match="no call id0 waits"):
            table.allowed("id0", now=now, until=now + 60, repeats=False)


def test_the_same_call_attaches_and_another_one_waits_beside_it() -> None:
    table = waiting()
    assert table.requested(CALL, "id1", now=NOW + 5, until=NOW + 9999) == table
    other = table.requested(call_of({"argv": ["make"]}), "id1", now=NOW, until=NOW + 60)
    assert {one.id for one in other.approvals.values()} == {"id0", "id1"}


def test_a_decision_can_be_changed() -> None:
    table = waiting().refused("id0", now=NOW, until=NOW + 60)
    table = table.allowed("id0", now=NOW, until=NOW + 60, repeats=False)
    assert len(table.used(CALL, now=NOW)) == 0
    table = allowed().refused("id0", now=NOW, until=NOW + 60)
    with pytest.raises(LookupError):
        table.used(CALL, now=NOW)


@pytest.mark.bound("clawmatrix_grants.approvals.table.PENDING_OF_ONE")
def test_one_node_has_eight_waiting_calls() -> None:
    calls = [call_of({"n": n}) for n in range(PENDING_OF_ONE + 1)]
    table = waiting(*calls[:-1])
    with pytest.raises(Full, match="8 calls of home wait"):
        table.requested(calls[-1], "more", now=NOW, until=NOW + 60)
    renamed = attrs.evolve(calls[-1], peer=NodeId("elsewhere"))  # the key is the same
    with pytest.raises(Full, match="8 calls of elsewhere"):
        table.requested(renamed, "more", now=NOW, until=NOW + 60)
    assert table.requested(calls[0], "again", now=NOW, until=NOW + 60) == table
    decided = table.refused("id3", now=NOW, until=NOW + 60)
    assert len(decided.requested(calls[-1], "more", now=NOW, until=NOW + 60)) == PENDING_OF_ONE + 1
    later = NOW + 3600  # those that waited have ended
    assert len(table.requested(calls[-1], "more", now=later, until=later + 60)) == 1


@pytest.mark.bound("clawmatrix_grants.approvals.table.PENDING")
def test_all_nodes_have_sixty_four_waiting_calls() -> None:
    keys = [key_text(bytes([n]) * 32) for n in range(PENDING // PENDING_OF_ONE + 1)]
    calls = [call_of({"n": n}, key=key) for key in keys for n in range(PENDING_OF_ONE)]
    table = waiting(*calls[:PENDING])
    with pytest.raises(Full, match="64 calls wait"):
        table.requested(calls[PENDING], "more", now=NOW, until=NOW + 60)


@pytest.mark.bound("clawmatrix_grants.approvals.table.DECIDED")
def test_a_hundred_and_twenty_eight_decisions_are_kept() -> None:
    table = ApprovalTable()
    for n in range(DECIDED):
        table = table.requested(call_of({"n": n}), f"id{n}", now=NOW, until=NOW + 60)
        table = table.allowed(f"id{n}", now=NOW, until=NOW + 60, repeats=True)
    table = table.requested(call_of(), "more", now=NOW, until=NOW + 60)
    with pytest.raises(Full, match="128 decisions"):
        table.allowed("more", now=NOW, until=NOW + 60, repeats=False)
    assert len(table.refused("more", now=NOW, until=NOW + 60)) == DECIDED
    full = table.refused("id0", now=NOW, until=NOW + 60).refused("id1", now=NOW + 1, until=NOW + 60)
    full = full.refused("more", now=NOW + 2, until=NOW + 60)  # in the place of the oldest refusal
    assert len(full) == DECIDED
    with pytest.raises(LookupError):
        full.named("id0", NOW + 2)


def test_a_table_is_the_same_after_it_was_stored() -> None:
    table = waiting(CALL, call_of({"n": [1, 1.0, None, "\udc80"]}), call_of(key=None))
    table = table.allowed("id1", now=NOW, until=NOW + 60, repeats=True)
    assert read_table(json.loads(json.dumps(table_json(table)))) == table
    assert read_table(None) == ApprovalTable()


@pytest.mark.parametrize(
    "stored", [{}, 1, [1], [{}], [{"id": "x"}], ["text"], [[]], {"version": 9}]
)
def test_what_is_no_table_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|missing"):
        read_table(stored)
    [good] = table_json(allowed())
    for name in good:
        with pytest.raises(ValueError, match=name):
            read_table([{**good, name: []}])
    with pytest.raises(ValueError, match="more"):
        read_table([{**good, "more": 1}])
