"""What other plugins use of the grants: they ask for a permit before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import NOT_ALLOWED, ExchangeFailure, Verdict
from clawmatrix_grants.globs import Glob
from clawmatrix_grants.permits import Permit, Progress
from clawmatrix_grants.programs import DEFAULT_PATH, resolve_program
from clawmatrix_grants.question import Question
from clawmatrix_grants.settles import SettlesAsks
from clawmatrix_grants.tool_shapes import ToolShape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Action, Node, NodeId

__all__ = [
    "DEFAULT_PATH",
    "ApprovalPending",
    "ApprovalRequest",
    "Glob",
    "NotAllowed",
    "Permit",
    "Progress",
    "Question",
    "SettlesAsks",
    "ToolShape",
    "authorized",
    "permit",
    "resolve_program",
]


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

    The same call can be made again later: it finds the approval by then, or waits again.

    Attributes:
        approval: the word of the approval that is waited for.
        verdict: what the plugins decided; for the log and the audit alone.
    """

    def __init__(self, approval: str, verdict: Verdict) -> None:
        words = f"this call waits for an approval on the other node, {approval}: try again later"
        detail = {"approval": approval}
        super().__init__("approval_pending", words, detail=detail, may_have_begun=False)
        self.approval, self.verdict = approval, verdict


@attrs.frozen
class ApprovalRequest:
    """A call that waits for a person of this node.

    Attributes:
        id: the word by which a person approves it.
        peer: the node that calls, ``LOCAL`` for this node's own clients.
        key: the key that it has proved, as text; None for ``LOCAL``.
        action: what it asks for.
        target: the name of the tool, agent, model, workspace or resource.
        arguments: all that it calls with. They may hold secrets.
        rule: the rule by which a person is asked.
        until: when it ends by itself, in seconds since 1970.
    """

    id: str
    peer: NodeId
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None = attrs.field(repr=False)
    rule: str
    until: float


async def permit(
    node: Node,
    question: Question,
    *,
    progress: Progress | None = None,
    wait: float | None = None,
) -> Permit:
    """Return that a call may run now; call it right before anything runs, once for each run.

    Where the plugins decide that a person has to approve, this waits, up to ``[approvals] wait``.
    An approval is used up on the disk before this returns.

    Args:
        node: this node.
        question: who calls, and what. The arguments are those that will run.
        progress: told in words, now and then, that the call waits.
        wait: seconds that the caller waits for a person, where that is less than the setting.

    Raises: NotAllowed; ApprovalPending, where nobody decided in time.
    """
    # mypy wants a class that can be made; this one is only compared with.
    plugin = node.plugins.find(SettlesAsks)  # type: ignore[type-abstract]
    if plugin is not None:
        return await plugin.settle(question, progress, wait)
    verdict = await authorized(node, question)
    if verdict.effect != "allow":
        raise NotAllowed(verdict)
    return Permit(verdict)


async def authorized(node: Node, question: Question) -> Verdict:
    """Return what the plugins of a node decide. Raises: NotAllowed, where that is a deny."""
    asked = (question.peer, question.key, question.action, question.target, question.arguments)
    verdict = await node.authorize(*asked)
    if verdict.effect == "deny":
        raise NotAllowed(verdict)
    return verdict
