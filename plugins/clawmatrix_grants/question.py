"""What is asked of the grants, and what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Action
    from clawmatrix_grants.config import Effect

__all__ = ["Considered", "Decision", "Question"]


@attrs.frozen
class Question:
    """Somebody wants to use something of this node.

    Attributes:
        peer: the name of the node that asks, or ``@local`` for this node's own clients.
        key: the key that it has proved, as ``ed25519:...`` text; None for ``@local``.
        action: what it asks for.
        target: the name of the model, tool, agent, workspace or resource.
        arguments: what it is called with, as it will run; None asks whether any call could pass.
    """

    peer: str
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Decision:
    """What the grants say.

    Attributes:
        effect: allow, ask or deny; None where they leave it to others.
        rule: the place of the rule that decided, ``grants.home.rules[2]``; where no rule did, the
            table, ``grants``.
        reason: why, for the log and for this node's people.
    """

    effect: Effect | None
    rule: str
    reason: str


@attrs.frozen
class Considered:
    """What became of one rule for a question.

    Attributes:
        rule: its place, ``grants.home.rules[2]``.
        effect: what it does where it matches.
        matched: whether it does.
        why: why, or why not.
    """

    rule: str
    effect: Effect
    matched: bool
    why: str
