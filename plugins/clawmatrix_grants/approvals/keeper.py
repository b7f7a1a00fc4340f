"""The approvals of a node: each step is on the disk before it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from clawmatrix_core import AuditRecord, ExchangeFailure, StateError
from clawmatrix_core.spi import Bell
from clawmatrix_grants.approvals.stored import read_table, table_json
from clawmatrix_grants.approvals.table import LONGEST, Approval, ApprovalTable
from clawmatrix_grants.names import STATE

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Collection

    from clawmatrix_core import State
    from clawmatrix_grants.approvals.call import Call

__all__ = ["ApprovalKeeper"]


class ApprovalKeeper:
    """Keeps a table of approvals in the state of a node, one step at a time.

    Attributes:
        table: the present one, as it is on the disk.
        changed: rings after each step.
    """

    def __init__(
        self,
        state: State,
        *,
        audit: Callable[[AuditRecord], Awaitable[object]],
        wall: Callable[[], float],
        new_id: Callable[[], str],
        log: logging.Logger,
    ) -> None:
        """Make one, with what an earlier run left.

        ``audit`` writes a record down, or raises. ``wall`` returns seconds since 1970, and
        ``new_id`` a fresh word.
        """
        self._state, self._audit, self._wall, self._new_id = state, audit, wall, new_id
        self._log = log
        self._step = anyio.Lock()
        self.changed = Bell()
        self.table = self._read()

    def _read(self) -> ApprovalTable:
        try:
            return read_table(self._state.read(STATE)).living(self._wall())
        except (StateError, ValueError) as error:
            where = self._state.locate(STATE)
            self._log.error("all approvals are lost, people are asked again: %s: %s", where, error)
            return ApprovalTable()

    async def take(self, call: Call, seconds: float) -> tuple[Approval, bool]:
        """Return what is known about exactly this call, and whether it waits only from now on.

        Where that says ``allowed``, the approval is used up now, on the disk: the call may run
        once. A new call waits for so many seconds at most.

        Raises: Full; StateError, where it cannot be written. Then the call must not run.
        """
        async with self._step:
            now = self._wall()
            known = self.table.get(call, now)
            if known is None:
                id_, until = self._new_id(), now + seconds
                await self._put(self.table.requested(call, id_, now=now, until=until))
                return self.table.approvals[call.digest], True
            if known.state == "allowed":
                await self._use(known, now)
            return known, False

    async def _use(self, approval: Approval, now: float) -> None:
        used = self.table.used(approval.call, now=now)
        if used is not self.table:
            await self._put(used)

    async def allow(self, id_: str, seconds: float, *, repeats: bool) -> Approval:
        """Allow a call, for so many seconds at most: once, or any number of times.

        Raises: ExchangeFailure; Full; AuditFailed, StateError, where it cannot be written down.
            Then it is not allowed.
        """
        if not 0 < seconds <= LONGEST:
            raise ExchangeFailure("bad_params", "a call can be allowed for 7 days at most")
        async with self._step:
            now = self._wall()
            one = self._named(id_, now)
            new = self.table.allowed(id_, now=now, until=now + seconds, repeats=repeats)
            outcome = f"allowed for {seconds:g} s" if repeats else "allowed"
            return await self._decide(one, new, outcome)

    async def refuse(self, id_: str, seconds: float) -> Approval:
        """Refuse a call, and all that are like it for so many seconds. Raises: as ``allow``."""
        async with self._step:
            now = self._wall()
            one = self._named(id_, now)
            new = self.table.refused(id_, now=now, until=now + seconds)
            return await self._decide(one, new, "refused")

    async def note(self, id_: str, outcome: str) -> None:
        """Write to the audit what a person decided elsewhere. Raises: as ``allow``."""
        await self._audit(_record(self._named(id_, self._wall()), outcome))

    async def end(self, ids: Collection[str]) -> None:
        """End approvals, whatever was decided about them. Raises: StateError."""
        async with self._step:
            new = self.table.without(ids)
            if len(new) < len(self.table):
                self.table = new  # they must not count, also where the disk fails
                self.changed.ring()
                await self._put(new)

    def _named(self, id_: str, now: float) -> Approval:
        try:
            return self.table.named(id_, now)
        except LookupError as error:
            raise ExchangeFailure("unknown_approval", str(error)) from None

    async def _decide(self, one: Approval, new: ApprovalTable, outcome: str) -> Approval:
        """Write a decision down, then let it count: all of it, or nothing."""
        with anyio.CancelScope(shield=True):
            await self._audit(_record(one, outcome))
            await self._put(new)
        return new.approvals.get(one.call.digest, one)

    async def _put(self, new: ApprovalTable) -> None:
        """Put a table on the disk, and then in the place of the present one."""
        # Cancelled while the thread writes, this waits for it and goes on to the next line.
        await anyio.to_thread.run_sync(self._state.write, STATE, table_json(new))
        self.table = new
        self.changed.ring()


def _record(one: Approval, outcome: str) -> AuditRecord:
    call = one.call
    return AuditRecord(
        event="approval",
        id=one.id,
        peer=call.peer,
        key=call.key,
        action=call.action,
        target=call.target,
        arguments=call.read_arguments(),
        rule=call.rule,
        approval=one.id,
        outcome=outcome,
    )
