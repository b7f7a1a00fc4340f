"""What waits for an approval, and what people decided: values in, values out. No I/O, no clock.

A table is never changed: each step returns another one, so that whoever keeps it can put it on
the disk first and take it for the present one then.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from clawmatrix_core import Bound, ClawMatrixError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from clawmatrix_grants.approvals.call import Call

__all__ = [
    "DECIDED",
    "LONGEST",
    "PENDING",
    "PENDING_OF_ONE",
    "Approval",
    "ApprovalState",
    "ApprovalTable",
    "Full",
]

PENDING_OF_ONE = Bound(
    8,
    "calls of one node that wait for an approval",
    fed_by="a member",
    when_full="one more call is denied",
)
PENDING = Bound(
    64,
    "calls of all nodes that wait for an approval",
    fed_by="a member",
    when_full="one more call is denied",
)
DECIDED = Bound(
    128,
    "decisions of people about calls that are kept",
    fed_by="a client",
    when_full="no other call is approved; a refusal takes the place of the oldest refusal",
)
LONGEST: Final = 7 * 86_400.0
"""Seconds for which a call can be approved."""
SET_BACK: Final = 60.0
"""Seconds by which a clock may be set back before approvals of the future end."""

ApprovalState: TypeAlias = Literal["pending", "allowed", "refused"]


class Full(ClawMatrixError):
    """A bound is reached; the text says which."""


@attrs.frozen
class Approval:
    """What is known about one call.

    Attributes:
        id: the word by which people name it.
        call: what it is for.
        state: ``pending`` until a person ``allowed`` or ``refused`` it.
        at: since when it is in that state, in seconds since 1970.
        until: when it ends by itself, in seconds since 1970.
        repeats: whether the call may run any number of times until then; else it runs once.
    """

    id: str
    call: Call
    state: ApprovalState
    at: float
    until: float
    repeats: bool = False

    def holds(self, now: float) -> bool:
        """Say whether it counts at a time; it does not where the clock was set back far."""
        return self.at - SET_BACK <= now < self.until


def _frozen(approvals: Mapping[str, Approval]) -> Mapping[str, Approval]:
    return MappingProxyType(dict(approvals))


@attrs.frozen
class ApprovalTable:
    """The approvals by the digests of their calls; those that have ended may still be in it."""

    approvals: Mapping[str, Approval] = attrs.field(default={}, converter=_frozen)

    @classmethod
    def of(cls, approvals: Iterable[Approval]) -> ApprovalTable:
        """Return the table of these."""
        return cls({approval.call.digest: approval for approval in approvals})

    def __len__(self) -> int:
        return len(self.approvals)

    def get(self, call: Call, now: float) -> Approval | None:
        """Return what is known about exactly this call, None where nothing counts at that time."""
        found = self.approvals.get(call.digest)
        return found if found is not None and found.call == call and found.holds(now) else None

    def named(self, id_: str, now: float) -> Approval:
        """Return the approval of that word. Raises: LookupError, where none counts at that time."""
        for one in self.approvals.values():
            if one.id == id_ and one.holds(now):
                return one
        raise LookupError(f"no call {id_} waits for an approval")

    def decided(self) -> list[Approval]:
        """Return those about which a person decided."""
        return [one for one in self.approvals.values() if one.state != "pending"]

    def living(self, now: float) -> ApprovalTable:
        """Return the table without what has ended."""
        return ApprovalTable.of(one for one in self.approvals.values() if one.holds(now))

    def without(self, ids: Collection[str]) -> ApprovalTable:
        """Return the table without the approvals of these words."""
        return ApprovalTable.of(one for one in self.approvals.values() if one.id not in ids)

    def put(self, approval: Approval) -> ApprovalTable:
        """Return the table with an approval in the place of what is known about its call."""
        return ApprovalTable({**self.approvals, approval.call.digest: approval})

    def requested(self, call: Call, id_: str, *, now: float, until: float) -> ApprovalTable:
        """Return the table in which a call waits, or is known already.

        ``id_`` is the word of a call that is new. Raises: Full.
        """
        living = self.living(now)
        if living.get(call, now) is not None:
            return living
        waiting = [one.call for one in living.approvals.values() if one.state == "pending"]
        if len(waiting) >= PENDING:
            raise Full(f"{PENDING.text} calls wait for an approval already")
        if sum(other.key == call.key for other in waiting) >= PENDING_OF_ONE:
            raise Full(f"{PENDING_OF_ONE.text} calls of {call.peer} wait for an approval already")
        return living.put(Approval(id_, call, "pending", now, until))

    def allowed(self, id_: str, *, now: float, until: float, repeats: bool) -> ApprovalTable:
        """Return the table in which a person allowed a call. Raises: LookupError; Full."""
        living = self.living(now)
        one = living.named(id_, now)
        if one.state == "pending" and len(living.decided()) >= DECIDED:
            raise Full(f"{DECIDED.text} decisions are kept: deny a call that was allowed")
        return living.put(Approval(id_, one.call, "allowed", now, until, repeats))

    def refused(self, id_: str, *, now: float, until: float) -> ApprovalTable:
        """Return the table in which a person refused a call. Raises: LookupError."""
        living = self.living(now)
        one = living.named(id_, now)
        if one.state == "pending" and len(living.decided()) >= DECIDED:
            refusals = [other for other in living.decided() if other.state == "refused"]
            if not refusals:
                return living.without([id_])
            living = living.without([min(refusals, key=lambda other: other.at).id])
        return living.put(Approval(id_, one.call, "refused", now, until))

    def used(self, call: Call, *, now: float) -> ApprovalTable:
        """Return the table after a call ran by its approval. Raises: LookupError, without one."""
        one = self.get(call, now)
        if one is None or one.state != "allowed":
            raise LookupError("nobody allowed this call")
        return self if one.repeats else self.without([one.id])
