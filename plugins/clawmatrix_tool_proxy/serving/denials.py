"""What is written down of calls that are denied: some of each caller, and then only how many."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from clawmatrix_core import AuditFailed, AuditRecord, Bound, NodeId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON, Action, Node, Verdict
    from clawmatrix_tool_proxy.serving.caller import Caller

__all__ = ["ALL_DENIALS", "CALLERS", "DENIALS", "STRANGERS", "Denials", "denied_by"]

DENIALS = Bound(
    5,
    "denied calls of one caller that get a line each in the audit, and one more in ten minutes",
    fed_by="a member",
    when_full="they are counted, and the count gets a line every ten minutes",
)
ALL_DENIALS = Bound(
    60,
    "denied calls of all callers that get a line each in the audit, and five more a minute",
    fed_by="a member",
    when_full="they are counted, and the count gets a line every ten minutes",
)
CALLERS = Bound(
    16,
    "callers whose denied calls are counted apart",
    fed_by="a member",
    when_full="those of further callers are counted together",
)
STRANGERS = Bound(
    8,
    "callers whose keys are `linked` or `hearsay` and whose denied calls are counted apart",
    fed_by="a member",
    when_full="those of further such callers are counted together; the rest is for known ones",
)
PERIOD: Final = 600.0
_SURE: Final = ("accepted", "invited", "introduced")
_OTHERS: Final = "@others"


@attrs.define
class _Bucket:
    """So many at once, and one more each time that ``every`` seconds have passed."""

    most: int
    every: float
    free: float = attrs.field(init=False)
    at: float = -math.inf

    def __attrs_post_init__(self) -> None:
        self.free = self.most

    def fill(self, now: float) -> None:
        gained = (now - self.at) / self.every
        self.free, self.at = min(float(self.most), self.free + gained), now


@attrs.define
class _Told:
    """What was written of one caller, and what was not."""

    bucket: _Bucket
    known: bool
    unwritten: int = 0


def denied_by(verdict: Verdict) -> str:
    """Return the rule that denied a call, and why, for the log and the audit.

    A call that a person refused, or that no rule allows, has no rule of its own that says so.
    """
    if not verdict.rule:
        return verdict.reason or "no rule allows it"
    return f"{verdict.rule}: {verdict.reason}" if verdict.reason else verdict.rule


class Denials:
    """Writes down denied calls, so that no caller can fill the audit with them."""

    def __init__(
        self,
        node: Node,
        *,
        action: Action = "tool",
        now: Callable[[], float] | None = None,
    ) -> None:
        """Make one; ``now`` returns seconds, by the node's clock unless given."""
        self._node, self._now, self._action = node, now or node.clock.now, action
        self._all = _Bucket(ALL_DENIALS, 60.0 / 5)
        self._callers: dict[Caller, _Told] = {}
        self._others = 0

    async def note(
        self,
        caller: Caller,
        id_: str,
        tool: str,
        why: str,
        arguments: Mapping[str, JSON] | None,
    ) -> None:
        """Note one denied call, by the id of its exchange; arguments where they were looked at."""
        if not self._may_write(caller):
            return
        record = self._record(caller.peer, caller.key, tool, "denied", id_)
        await self._write(attrs.evolve(record, rule=why, arguments=arguments))

    def _may_write(self, caller: Caller) -> bool:
        now = self._now()
        told = self._callers.get(caller)
        if told is None:
            known = self._is_known(caller)
            if not self._has_place(known=known):
                self._others += 1
                return False
            told = self._callers[caller] = _Told(_Bucket(DENIALS, PERIOD), known)
        for bucket in (told.bucket, self._all):
            bucket.fill(now)
        if told.bucket.free < 1 or self._all.free < 1:
            told.unwritten += 1
            return False
        told.bucket.free -= 1
        self._all.free -= 1
        return True

    def _has_place(self, *, known: bool) -> bool:
        """Say whether one more caller is counted apart: made-up ones do not take all places."""
        strangers = sum(not told.known for told in self._callers.values())
        return len(self._callers) < CALLERS and (known or strangers < STRANGERS)

    def _is_known(self, caller: Caller) -> bool:
        if caller.key is None:  # one of the node's own clients
            return True
        with suppress(ValueError):  # a key in other words than this node has
            return self._node.trust.how_known(caller.peer, caller.key) in _SURE
        return False

    async def run(self) -> None:
        """Write how many more there were, every ten minutes, until cancelled."""
        while True:
            await anyio.sleep(PERIOD)
            await self.write_counts()

    async def write_counts(self) -> None:
        """Write how many denied calls have no line of their own, and forget quiet callers."""
        now = self._now()
        for caller, told in tuple(self._callers.items()):
            told.bucket.fill(now)
            more, told.unwritten = told.unwritten, 0
            if more:
                await self._count(caller.peer, caller.key, more)
            elif told.bucket.free >= told.bucket.most:
                del self._callers[caller]
        others, self._others = self._others, 0
        if others:
            await self._count(NodeId(_OTHERS), None, others)

    async def _count(self, peer: NodeId, key: str | None, more: int) -> None:
        record = self._record(peer, key, "*", f"{more} more denied", self._node.new_id())
        await self._write(record)

    async def _write(self, record: AuditRecord) -> None:
        try:
            await self._node.audit(record)
        except AuditFailed as error:
            self._node.logger("tools").warning("a denied call is not written down: %s", error)

    def _record(
        self, peer: NodeId, key: str | None, target: str, outcome: str, id_: str
    ) -> AuditRecord:
        return AuditRecord(
            event="denied",
            id=id_,
            peer=peer,
            key=key,
            action=self._action,
            target=target,
            outcome=outcome,
        )
