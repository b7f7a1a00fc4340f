"""What other plugins use of the grants: they ask for a permit before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import NOT_ALLOWED, ExchangeFailure, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clawmatrix_core import JSON, Action, Node

__all__ = ["ApprovalPending", "NotAllowed", "Permit", "Question", "permit"]


@attrs.frozen
class Question:
    """Whether somebody may do something.

    Attributes:
        peer: the name of the node that asks.
        key: its key as text, None for ``LOCAL``.
        action, target: what it asks for.
        arguments: what will run; None asks whether any call could pass.
    """

    peer: str
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None = attrs.field(repr=False)


@attrs.frozen
class Permit:
    """Says that one call may run now.

    Attributes:
        verdict: what the plugins decided.
        approval: the word of the approval that was used for it, None where none was needed.
    """

    verdict: Verdict
    approval: str | None = None


class NotAllowed(ExchangeFailure):
    """A call may not run; the caller is told ``NOT_ALLOWED`` and nothing else.

    Attributes:
        verdict: what was decided, with the reason. It is for the log and the audit alone.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("not_allowed", NOT_ALLOWED, may_have_begun=False)
        self.verdict = verdict


class ApprovalPending(ExchangeFailure):
    """A call waits for a person of this node, and has waited for as long as it may.

    Attributes:
        approval: the word of the approval that is waited for.
        verdict: what the plugins decided; for the log and the audit alone.
    """

    def __init__(self, approval: str, verdict: Verdict) -> None:
        words = f"this call waits for an approval on the other node, {approval}: try again later"
        detail = {"approval": approval}
        super().__init__("approval_pending", words, detail=detail, may_have_begun=False)
        self.approval, self.verdict = approval, verdict


async def permit(
    node: Node,
    question: Question,
    *,
    progress: Callable[[str], Awaitable[None]] | None = None,
) -> Permit:
    """Return that a call may run now; call it right before anything runs, once for each run.

    Args:
        node: this node.
        question: who calls, and what. The arguments are those that will run.
        progress: told in words, now and then, that the call waits.

    Raises: NotAllowed; ApprovalPending, where nobody decided in time.
    """
    asked = (question.peer, question.key, question.action, question.target, question.arguments)
    verdict = await node.authorize(*asked)
    if verdict.effect != "allow":
        raise NotAllowed(verdict)
    return Permit(verdict)
