"""The tests of approvals bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_grants.approvals import call as calls
from clawmatrix_grants.approvals import table as tables
from clawmatrix_grants.approvals import words
from clawmatrix_grants.approvals.call import Call
from clawmatrix_grants.approvals.keeper import ApprovalKeeper
from clawmatrix_grants.approvals.table import Approval, ApprovalTable
from tests.plugins.grants.approvals import test_call, test_keeper, test_table, test_words
from tests.plugins.grants.approvals.helpers import PowerCut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clawmatrix_core import JSON

pytestmark = pytest.mark.anyio


async def consume_in_memory(self: ApprovalKeeper, approval: Approval, now: float) -> None:
    """Use an approval up without a word to the disk."""
    self.table = self.table.used(approval.call, now=now)


async def consume_after(self: ApprovalKeeper, approval: Approval, now: float) -> None:
    """Let the call run where the disk has not the last word."""
    used = self.table.used(approval.call, now=now)
    try:
        if used is not self.table:
            await self._put(used)
    except PowerCut:
        self.table = used


async def never_consume(self: ApprovalKeeper, approval: Approval, now: float) -> None:
    """Use nothing up."""


async def count_before_the_audit(
    self: ApprovalKeeper, one: Approval, new: ApprovalTable, outcome: str
) -> Approval:
    """Let a decision count, and write it down then."""
    self.table = new
    await self._audit(None)  # type: ignore[arg-type]
    await self._put(new)
    return one


def without(field: str) -> Callable[[Call], Iterator[bytes]]:
    """Return what makes the digest without a field, and takes calls for equal without it."""

    def parts(call: Call) -> Iterator[bytes]:
        for one in attrs.fields(Call):
            if one.init and one.name != field:
                yield str(getattr(call, one.name)).encode()

    return parts


def by_digest(self: ApprovalTable, call: Call, now: float) -> Approval | None:
    """Believe the digest alone."""
    found = self.approvals.get(call.digest)
    return found if found is not None and found.holds(now) else None


def by_tool(self: ApprovalTable, call: Call, now: float) -> Approval | None:
    """Attach by the name of the tool."""
    found = (one for one in self.approvals.values() if one.call.target == call.target)
    return next((one for one in found if one.holds(now)), None)


def for_ever(self: Approval, now: float) -> bool:
    """Forget when it ends."""
    return True


def believe_the_clock(self: Approval, now: float) -> bool:
    """Count also where the clock was set back."""
    return now < self.until


def bounds_for_all_only(
    self: ApprovalTable, call: Call, id_: str, *, now: float, until: float
) -> ApprovalTable:
    """Let one node have all places."""
    living = self.living(now)
    if len(living) >= tables.PENDING and living.get(call, now) is None:
        raise tables.Full(f"{tables.PENDING.text} calls wait")
    return living.put(living.get(call, now) or Approval(id_, call, "pending", now, until))


def loose(arguments: Mapping[str, JSON] | None) -> str:
    """Write arguments with numbers as floats."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":")).replace(".0", "")


def printable_only(char: str) -> bool:
    """Believe that what is printable has a shape."""
    return char.isprintable()


def everything(char: str) -> bool:
    """Show each character as it is."""
    return True


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: Callable[..., Any]
    caught_by: tuple[Callable[..., Any], ...]
    also: tuple[tuple[object, str, Callable[..., Any]], ...] = ()


def other(field: str) -> Callable[..., Any]:
    return lambda: test_table.test_it_is_for_exactly_its_call(field, False)


def admits(field: str) -> Callable[..., Any]:
    fields = ["key", "action", "target", "arguments", "policy", "rule", "peer"]
    return lambda: test_keeper.test_an_approval_of_one_call_admits_no_other(1 + fields.index(field))


def left_out(field: str) -> Plant:
    """Return a plant that leaves a field out of what is exactly one call."""
    bugs = (other(field), admits(field), lambda: test_call.test_each_field_is_in_the_digest(field))
    return Plant(calls, "_parts", without(field), bugs, ((ApprovalTable, "get", by_digest),))


def ends(state: str) -> Callable[..., Any]:
    return lambda: test_table.test_it_ends_in_time_and_when_the_clock_is_set_back_far(state)


PLANTS = {
    **{
        f"{field} is left out": left_out(field)
        for field in ("arguments", "policy", "key", "target", "action", "rule", "peer")
    },
    "it is used up in memory only": Plant(
        ApprovalKeeper,
        "_use",
        consume_in_memory,
        (
            test_keeper.test_an_approval_is_used_once_also_after_a_restart,
            test_keeper.test_it_is_used_up_on_the_disk_before_the_call_may_run,
            test_keeper.test_whatever_happens_a_call_runs_only_as_it_was_allowed,
        ),
    ),
    "it is used up though the disk failed": Plant(
        ApprovalKeeper,
        "_use",
        consume_after,
        (test_keeper.test_it_is_used_up_on_the_disk_before_the_call_may_run,),
    ),
    "it is never used up": Plant(
        ApprovalKeeper,
        "_use",
        never_consume,
        (
            test_keeper.test_an_approval_is_used_once_also_after_a_restart,
            test_keeper.test_two_calls_alike_at_the_same_time_use_one_approval_once,
            test_keeper.test_whatever_happens_a_call_runs_only_as_it_was_allowed,
        ),
    ),
    "a decision counts before the audit has it": Plant(
        ApprovalKeeper,
        "_decide",
        count_before_the_audit,
        (test_keeper.test_what_cannot_be_audited_is_not_decided,),
    ),
    "expiry is ignored": Plant(
        Approval,
        "holds",
        for_ever,
        (
            ends("allowed"),
            ends("pending"),
            test_table.test_one_that_repeats_is_used_until_it_ends,
            test_keeper.test_whatever_happens_a_call_runs_only_as_it_was_allowed,
        ),
    ),
    "a clock that was set back makes it last": Plant(
        Approval, "holds", believe_the_clock, (ends("allowed"),)
    ),
    "it attaches by tool only": Plant(
        ApprovalTable,
        "get",
        by_tool,
        (
            other("arguments"),
            other("key"),
            admits("arguments"),
            test_table.test_the_same_call_attaches_and_another_one_waits_beside_it,
            test_keeper.test_whatever_happens_a_call_runs_only_as_it_was_allowed,
        ),
    ),
    "one node may take all places": Plant(
        ApprovalTable,
        "requested",
        bounds_for_all_only,
        (test_table.test_one_node_has_eight_waiting_calls,),
    ),
    "1 and 1.0 are alike": Plant(
        test_call,
        "canonical",
        loose,
        (lambda: test_call.test_what_looks_alike_differs({"n": 1}, {"n": 1.0}),),
    ),
    "what is printable is shown": Plant(
        words,
        "_has_shape",
        printable_only,
        (lambda: test_words.test_what_nobody_would_see_is_escaped("a filler of Hangul"),),
    ),
    "everything is shown as it is": Plant(
        words,
        "_has_shape",
        everything,
        (
            lambda: test_words.test_what_nobody_would_see_is_escaped("right to left"),
            test_words.test_all_of_unicode_is_shown_or_escaped,
        ),
    ),
}


async def fails(check: Callable[..., Any]) -> bool:
    """Say whether a test fails."""
    try:
        done = check()
        if inspect.isawaitable(done):
            await done
    except (AssertionError, PowerCut, LookupError, AttributeError, pytest.fail.Exception):
        return True
    return False


@pytest.mark.parametrize("name", PLANTS)
def test_the_tests_find_a_planted_bug(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = PLANTS[name]
    for owner, attribute, bug in ((plant.owner, plant.name, plant.bug), *plant.also):
        monkeypatch.setattr(owner, attribute, bug)
    for check in plant.caught_by:
        if inspect.iscoroutinefunction(check):
            assert anyio.run(fails, check), f"a test let {name!r} pass"
        else:
            with pytest.raises((AssertionError, LookupError, pytest.fail.Exception)):
                check()
