"""Approvals as JSON, for the state file. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from clawmatrix_core import JSON, NodeId
from clawmatrix_grants.approvals.call import Call
from clawmatrix_grants.approvals.table import Approval, ApprovalTable

if TYPE_CHECKING:
    from typing import Self

__all__ = ["read_table", "table_json"]


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    """One approval, flat."""

    id: str
    state: Literal["pending", "allowed", "refused"]
    at: float
    until: float
    repeats: bool
    peer: str
    key: str | None
    action: Literal["model", "tool", "agent", "workspace", "resource"]
    target: str
    arguments: str
    policy: str
    rule: str

    @classmethod
    def of(cls, one: Approval) -> Self:
        call = one.call
        return cls(
            id=one.id,
            state=one.state,
            at=one.at,
            until=one.until,
            repeats=one.repeats,
            peer=call.peer,
            key=call.key,
            action=call.action,
            target=call.target,
            arguments=call.arguments,
            policy=call.policy,
            rule=call.rule,
        )

    def approval(self) -> Approval:
        peer, key = NodeId(self.peer), self.key
        call = Call(peer, key, self.action, self.target, self.arguments, self.policy, self.rule)
        return Approval(self.id, call, self.state, self.at, self.until, self.repeats)


def table_json(table: ApprovalTable) -> JSON:
    """Return a table as JSON."""
    return [msgspec.to_builtins(_Stored.of(one)) for one in table.approvals.values()]


def read_table(stored: JSON) -> ApprovalTable:
    """Return the table that is stored. Raises: ValueError, where it is none."""
    found = msgspec.convert([] if stored is None else stored, list[_Stored])
    return ApprovalTable.of(one.approval() for one in found)
