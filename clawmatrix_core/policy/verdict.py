"""Whether somebody may do something: the answer of a plugin, and what several come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs
from attrs.validators import in_, instance_of

from clawmatrix_core.base.node_id import NodeId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core.base.answers import Answer

__all__ = ["LOCAL", "NOT_ALLOWED", "Action", "Effect", "Verdict", "combine"]

Action: TypeAlias = Literal["model", "tool", "agent", "workspace", "resource"]
"""What somebody wants to use."""

Effect: TypeAlias = Literal["allow", "ask", "deny"]

LOCAL: Final = NodeId("@local")
"""Stands for this node's own clients, where a member has its name."""

NOT_ALLOWED: Final = "not allowed on this node"
"""What a peer is told of anything that it may not do, and of anything that is not there."""

_RANK = {"deny": 0, "ask": 1, "allow": 2}


@attrs.frozen
class Verdict:
    """Whether a call may go on.

    Attributes:
        effect: ``allow``; ``deny``; or ``ask``, where a person of this node has to allow it.
        reason: why, in words for the log and for this node's people; no peer is told.
        rule: the name of the rule that decided, such as ``grants.home.rules[2]``.
        plugin: the plugin that decided, filled in by the core; empty where none did.

    Raises: ValueError, where the effect is another word; TypeError, where a field is no text.
    """

    effect: Effect = attrs.field(validator=in_(("allow", "ask", "deny")))
    reason: str = attrs.field(default="", validator=instance_of(str))
    rule: str = attrs.field(default="", validator=instance_of(str))
    plugin: str = attrs.field(default="", validator=instance_of(str))


def combine(answers: Iterable[Answer[Verdict]], action: Action) -> Verdict:
    """Return what the answers of all plugins come to.

    A deny beats an ask, and an ask beats an allow; of several alike the first counts. A plugin
    that failed denies. Where no plugin answers, models are allowed and all else is denied.
    """
    told = [verdict for answer in answers if (verdict := _verdict(answer)) is not None]
    if told:
        return min(told, key=lambda verdict: _RANK[verdict.effect])
    return Verdict("allow" if action == "model" else "deny", "no plugin decides about it")


def _verdict(answer: Answer[Verdict]) -> Verdict | None:
    if answer.fault is not None:
        words = f"the plugin {answer.plugin} could not decide: {answer.fault}"
        return Verdict("deny", words, plugin=answer.plugin)
    if answer.value is None:
        return None
    return attrs.evolve(answer.value, plugin=answer.plugin)
