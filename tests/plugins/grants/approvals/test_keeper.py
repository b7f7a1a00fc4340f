"""Approvals on a disk that may fail: lost or kept, and never used twice."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clawmatrix_core import ExchangeFailure, MemoryState, NodeId, StateError, StateFolder
from clawmatrix_grants.approvals.table import LONGEST
from tests.plugins.grants.approvals.helpers import (
    OTHER_KEY,
    CrashingState,
    PowerCut,
    Wall,
    call_of,
    keeper_on,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import AuditRecord
    from clawmatrix_grants.approvals.call import Call
    from clawmatrix_grants.approvals.keeper import ApprovalKeeper

pytestmark = pytest.mark.anyio

CALL = call_of()
COUNT = 8


def calls() -> list[Call]:
    """Return a call, and others that differ from it in one field each."""
    call = call_of()
    return [
        call,
        attrs.evolve(call, key=OTHER_KEY),
        attrs.evolve(call, action="agent"),
        attrs.evolve(call, target="exe"),
        attrs.evolve(call, arguments='{"argv":["make"]}'),
        attrs.evolve(call, policy="p2"),
        attrs.evolve(call, rule="grants: other"),
        attrs.evolve(call, peer=NodeId("laptop")),
    ]


async def waiting(keeper: ApprovalKeeper, call: Call = CALL) -> str:
    approval, is_new = await keeper.take(call, 3600)
    assert is_new
    assert approval.state == "pending"
    return approval.id


async def runs(keeper: ApprovalKeeper, call: Call = CALL) -> bool:
    """Say whether a call may run now."""
    return (await keeper.take(call, 3600))[0].state == "allowed"


async def test_an_approval_is_used_once_also_after_a_restart() -> None:
    state = MemoryState()
    keeper = keeper_on(state)
    await keeper.allow(await waiting(keeper), 60, repeats=False)
    keeper = keeper_on(state)
    assert await runs(keeper)
    assert not await runs(keeper_on(state))
    assert not await runs(keeper)


async def test_two_calls_alike_at_the_same_time_use_one_approval_once() -> None:
    keeper = keeper_on(MemoryState())
    await keeper.allow(await waiting(keeper), 60, repeats=False)
    ran: list[bool] = []

    async def run() -> None:
        ran.append(await runs(keeper))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(run)
    assert sorted(ran) == [False] * 4 + [True]


async def test_it_is_used_up_on_the_disk_before_the_call_may_run() -> None:
    state = CrashingState()
    keeper = keeper_on(state)
    await keeper.allow(await waiting(keeper), 60, repeats=False)
    state.cut = "after"
    with pytest.raises(PowerCut):
        await keeper.take(CALL, 3600)
    assert not await runs(keeper_on(state))
    keeper = keeper_on(state)
    await keeper.allow(next(iter(keeper.table.approvals.values())).id, 60, repeats=False)
    state.cut = "before"
    with pytest.raises(PowerCut):
        await keeper.take(CALL, 3600)
    assert await runs(keeper_on(state))  # it did not run yet


async def test_one_that_is_not_on_the_disk_does_not_count() -> None:
    state, records = CrashingState(), []  # type: tuple[CrashingState, list[AuditRecord]]
    keeper = keeper_on(state, records=records)
    id_ = await waiting(keeper)
    state.cut = "before"
    with pytest.raises(PowerCut):
        await keeper.allow(id_, 60, repeats=False)
    assert not await runs(keeper)
    assert [record.outcome for record in records] == ["allowed"]


async def test_a_decision_is_written_to_the_audit_before_it_counts() -> None:
    records: list[AuditRecord] = []
    keeper = keeper_on(MemoryState(), records=records)
    id_ = await waiting(keeper)
    await keeper.allow(id_, 60, repeats=False)
    await keeper.allow(id_, 3600, repeats=True)
    await keeper.refuse(id_, 60)
    told: dict[str, Any] = {
        "event": "approval",
        "id": id_,
        "approval": id_,
        "peer": "home",
        "action": "tool",
    }
    told |= {"target": "exec", "arguments": {"argv": ["make", "test"]}, "rule": CALL.rule}
    for record in records:
        assert {name: getattr(record, name) for name in told} == told
    assert [one.outcome for one in records] == ["allowed", "allowed for 3600 s", "refused"]


async def test_what_cannot_be_audited_is_not_decided() -> None:
    keeper = keeper_on(MemoryState())
    id_ = await waiting(keeper)

    async def fail(record: AuditRecord) -> None:
        raise StateError("the disk is full")

    keeper._audit = fail
    for decide in (keeper.allow(id_, 60, repeats=True), keeper.refuse(id_, 60)):
        with pytest.raises(StateError, match="disk is full"):
            await decide
    assert keeper.table.named(id_, 1_800_000_000.0).state == "pending"


async def test_a_decision_is_whole_where_whoever_decides_leaves() -> None:
    state, records = MemoryState(), []  # type: tuple[MemoryState, list[AuditRecord]]
    keeper = keeper_on(state, records=records)
    id_ = await waiting(keeper)
    with anyio.CancelScope() as scope:
        audit = keeper._audit

        async def leave(record: AuditRecord) -> None:
            scope.cancel()
            await audit(record)

        keeper._audit = leave
        await keeper.allow(id_, 60, repeats=False)
    assert len(records) == 1
    assert await runs(keeper_on(state))


@pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1, float("nan"), float("inf")])
async def test_seven_days_are_the_most(seconds: float) -> None:
    keeper = keeper_on(MemoryState())
    id_ = await waiting(keeper)
    with pytest.raises(ExchangeFailure, match="7 days at most"):
        await keeper.allow(id_, seconds, repeats=True)
    await keeper.allow(id_, LONGEST, repeats=True)
    assert await runs(keeper)


async def test_a_word_that_nothing_has_is_refused() -> None:
    keeper = keeper_on(MemoryState())
    for decide in (keeper.allow("a1", 60, repeats=True), keeper.refuse("a1", 60)):
        with pytest.raises(ExchangeFailure, match="no call a1 waits") as raised:
            await decide
        assert raised.value.code == "unknown_approval"


async def test_one_that_was_ended_counts_no_more_also_where_the_disk_fails() -> None:
    state = CrashingState()
    keeper = keeper_on(state)
    id_ = await waiting(keeper)
    await keeper.allow(id_, 60, repeats=True)
    state.cut = "before"
    with pytest.raises(PowerCut):
        await keeper.end({id_})
    assert not await runs(keeper)


@pytest.mark.parametrize("content", ["{", "[]", '{"version":1,"data":[{"id":1}]}', '{"version":7}'])
async def test_a_damaged_file_is_told_and_loses_approvals_only(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with StateFolder(tmp_path) as state:
        state.write("identity", "kept")
    (tmp_path / "approvals.json").write_text(content)
    with StateFolder(tmp_path) as state, caplog.at_level(logging.ERROR):
        keeper = keeper_on(state)
        assert "all approvals are lost" in caplog.text
        assert str(tmp_path / "approvals.json") in caplog.text
        await keeper.allow(await waiting(keeper), 60, repeats=False)
        assert await runs(keeper_on(state))
        assert state.read("identity") == "kept"


# --- any steps, and a cut at any write


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "once", "repeat", "refuse", "wait", "restart"]),
        st.integers(0, COUNT - 1),
        st.sampled_from([None, None, None, "before", "after"]),
    ),
    max_size=40,
)


@attrs.define
class Given:
    """What a person allowed, in the test's own book."""

    call: Call
    until: float
    repeats: bool
    ran: int = 0


class World:
    """A node that loses its power now and then, and a book of what people allowed."""

    def __init__(self) -> None:
        self.state, self.wall = CrashingState(), Wall()
        self.keeper = keeper_on(self.state, self.wall)
        self.given: list[Given] = []
        self.calls = calls()

    async def step(self, what: str, n: int, cut: str | None) -> None:
        self.state.cut = cut
        try:
            await getattr(self, what)(self.calls[n], n)
        except PowerCut:
            self.keeper = keeper_on(self.state, self.wall)
        self.state.cut = None

    async def take(self, call: Call, _: int) -> None:
        approval, _new = await self.keeper.take(call, 100)
        if approval.state != "allowed":
            return
        found = [
            one
            for one in self.given
            if attrs.astuple(one.call) == attrs.astuple(call)
            and self.wall.now < one.until
            and (one.repeats or not one.ran)
        ]
        assert found, f"nobody allowed {call}"
        found[-1].ran += 1

    async def _decide(self, call: Call, *, repeats: bool) -> None:
        known = self.keeper.table.get(call, self.wall.now)
        if known is None:
            return
        new = Given(call, self.wall.now + 50, repeats)
        self.given.append(new)  # after a cut, this may be on the disk, or what was before
        await self.keeper.allow(known.id, 50, repeats=repeats)
        self.forget(call)
        self.given.append(new)

    def forget(self, call: Call) -> None:
        self.given = [one for one in self.given if attrs.astuple(one.call) != attrs.astuple(call)]

    async def once(self, call: Call, _: int) -> None:
        await self._decide(call, repeats=False)

    async def repeat(self, call: Call, _: int) -> None:
        await self._decide(call, repeats=True)

    async def refuse(self, call: Call, _: int) -> None:
        known = self.keeper.table.get(call, self.wall.now)
        if known is not None:
            await self.keeper.refuse(known.id, 50)
            self.forget(call)

    async def wait(self, _: Call, n: int) -> None:
        self.wall.now += 12.0 * n

    async def restart(self, _: Call, __: int) -> None:
        self.keeper = keeper_on(self.state, self.wall)


def walk(steps: list[tuple[str, int, str | None]]) -> None:
    async def go() -> None:
        world = World()
        for step in steps:
            await world.step(*step)

    anyio.run(go)


@settings(max_examples=60)
@example([("take", 0, None), ("once", 0, None), *[("take", 0, None)] * 2])
@example([("take", 0, None), ("once", 0, None), *[("take", 0, None), ("restart", 0, None)] * 2])
@example([("take", 0, None), ("once", 0, None), *[("take", 0, cut) for cut in ("after", None)]])
@example([("take", 0, None), ("repeat", 0, None), ("wait", 5, None), ("take", 0, None)])
@example([("take", 0, None), ("repeat", 0, None), *[("take", n, None) for n in range(COUNT)]])
@given(STEPS)
def test_whatever_happens_a_call_runs_only_as_it_was_allowed(
    steps: list[tuple[str, int, str | None]],
) -> None:
    walk(steps)


@pytest.mark.parametrize("first", range(COUNT))
def test_an_approval_of_one_call_admits_no_other(first: int) -> None:
    others = [n for n in range(COUNT) if n != first]
    for what in ("once", "repeat"):
        given_one: list[Any] = [("take", first, None), (what, first, None)]
        walk([*given_one, *(("take", n, None) for n in others), ("take", first, None)] * 2)


# --- kill -9

PROGRAM = """
import os, signal, sys
from pathlib import Path
import anyio
from clawmatrix_core import StateFolder
from tests.plugins.grants.approvals.helpers import call_of, keeper_on

async def main():
    with StateFolder(Path(sys.argv[1])) as state:
        keeper = keeper_on(state)
        approval, _ = await keeper.take(call_of(), 3600)
        if sys.argv[2] == "allow":
            await keeper.allow(approval.id, 3600, repeats=False)
        print(approval.state, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


def killed(folder: Path, what: str) -> str:
    """Have a process take the call, and kill it before it could run; return what it was told."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(folder), what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def test_kill_9_between_the_use_and_the_run_uses_it_up(tmp_path: Path) -> None:
    assert killed(tmp_path, "allow") == "pending"
    assert json.loads((tmp_path / "approvals.json").read_bytes())["data"][0]["state"] == "allowed"
    assert killed(tmp_path, "use") == "allowed"
    assert killed(tmp_path, "use") == "pending"
