"""What is written down of each piece of work, and the receipt for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs
from attrs.validators import and_, instance_of, max_len

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.policy.verdict import Action

__all__ = ["HEAD_LIMIT", "AuditEvent", "AuditRecord", "Receipt"]

AuditEvent: TypeAlias = Literal["begin", "end", "denied", "opened", "approval"]

HEAD_LIMIT: Final = 1024
"""Bytes that the head of a receipt may have."""


@attrs.frozen(kw_only=True)
class AuditRecord:
    """One thing that is about to happen, or has happened.

    Attributes:
        event: ``begin`` and ``end`` of work, a call that was ``denied``, a share that was
            ``opened``, or an ``approval`` that a person gave or refused.
        id: the same word for the begin and the end of one piece of work.
        peer: the node at the other end, or ``LOCAL`` for this node's own clients.
        key: its key as text, ``ed25519:...``; None for ``LOCAL``.
        action: what was asked for.
        target: the name of the model, tool, agent, share or resource.
        arguments: what it is called with; plugins write a keyed digest of it and nothing else.
        rule: the name of the rule that decided.
        approval: the word of the approval that allowed it, None where none was needed.
        outcome: a short word for how it ended, None before the end.
        duration: seconds that it took, None before the end.
        caller: whether this node is the one that asks.
    """

    event: AuditEvent
    id: str
    peer: NodeId
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None = attrs.field(default=None, repr=False)
    rule: str = ""
    approval: str | None = None
    outcome: str | None = None
    duration: float | None = None
    caller: bool = False


@attrs.frozen
class Receipt:
    """Says that a record is written down and will not be lost.

    Attributes:
        head: the signed head of the chain of records, JSON of at most 1 KiB; empty where the
            plugin was told to write nothing.
        plugin: the plugin that gave it, filled in by the core.

    Raises: TypeError, where the head is not bytes; ValueError, where it is too long.
    """

    head: bytes = attrs.field(validator=and_(instance_of(bytes), max_len(HEAD_LIMIT)))
    plugin: str = attrs.field(default="", validator=instance_of(str))
