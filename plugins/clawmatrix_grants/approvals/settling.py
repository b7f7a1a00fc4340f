"""A call waits for a person: it begins once it is allowed, and ends where it is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from clawmatrix_core import LOCAL, NodeId, RateLimitedLogger, StateError, Verdict
from clawmatrix_grants.api import ApprovalPending, NotAllowed, Permit, authorized
from clawmatrix_grants.approvals.call import Call
from clawmatrix_grants.approvals.config import ApprovalsConfig
from clawmatrix_grants.approvals.table import Full

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node
    from clawmatrix_grants.api import Progress, Question
    from clawmatrix_grants.approvals.keeper import ApprovalKeeper
    from clawmatrix_grants.approvals.table import Approval

__all__ = ["Settling"]

PROGRESS: Final = 15.0
"""Seconds between two words to a caller that waits."""


class Settling:
    """Settles questions of a node, with the approvals of a keeper.

    ``policy`` returns the digest of the policy in force; ``announce`` is told of each approval
    that waits from now on.
    """

    def __init__(
        self,
        node: Node,
        keeper: ApprovalKeeper,
        policy: Callable[[], str],
        announce: Callable[[Approval], None],
    ) -> None:
        self._node, self._keeper = node, keeper
        self._policy, self._announce = policy, announce
        self._log = RateLimitedLogger(node.logger("grants"), clock=node.clock.now)

    async def settle(
        self, question: Question, progress: Progress | None, wait: float | None
    ) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
        most = self._node.config.section(ApprovalsConfig).wait
        deadline = anyio.current_time() + (most if wait is None else min(most, wait))
        while True:
            policy = self._policy()
            verdict = await authorized(self._node, question)
            if verdict.effect == "allow":
                return Permit(verdict)
            approval = await self._taken(question, verdict, policy)
            if policy != self._policy():
                continue  # what was used up, or waits, counts under the old one only
            if approval.state == "allowed":
                return Permit(verdict, approval.id)
            if approval.state == "refused":
                raise NotAllowed(attrs.evolve(verdict, effect="deny", reason="a person refused it"))
            if anyio.current_time() >= deadline:
                raise ApprovalPending(approval.id, verdict)
            await self._wait(approval, deadline, progress)

    async def still_asks(self, approval: Approval) -> bool:
        """Say whether a person would be asked about a call now as at the time of the approval."""
        call = approval.call
        question = call.question()
        try:
            verdict = await authorized(self._node, question)
            return verdict.effect == "ask" and self._call(question, verdict, self._policy()) == call
        except (NotAllowed, ValueError):
            return False

    async def _taken(self, question: Question, verdict: Verdict, policy: str) -> Approval:
        """Use an approval up, or have the call wait. Raises: NotAllowed."""
        try:
            call = self._call(question, verdict, policy)
            seconds = self._node.config.section(ApprovalsConfig).expires
            approval, is_new = await self._keeper.take(call, seconds)
        except (ValueError, Full, StateError) as error:
            what = (question.peer, str(error))
            self._log.warning(what, "a call of %s cannot wait for an approval: %s", *what)
            raise NotAllowed(attrs.evolve(verdict, effect="deny", reason=str(error))) from None
        if is_new:
            self._announce(approval)
        return approval

    def _call(self, question: Question, verdict: Verdict, policy: str) -> Call:
        """Return what a person has to allow. Raises: ValueError, where nobody could."""
        key = question.key
        if self._node.is_own_client(question.peer, key):
            peer, question = LOCAL, attrs.evolve(question, key=None)
        else:
            peer = NodeId(question.peer)
            if key is None or not self._counts(peer, key):
                raise ValueError(f"its key is not the one by which {peer} is known")
        return Call.of(question, peer, policy=policy, rule=f"{verdict.plugin}: {verdict.rule}")

    def _counts(self, peer: NodeId, key: str) -> bool:
        """Say whether a key is the present one of a name, neither retired nor revoked."""
        known = self._node.trust.get(peer)
        if known is None or known.key_text != key:
            return False
        retired = self._node.trust.retired(key)
        return not retired and self._node.revocations.get(known.sign_public) is None

    async def _wait(self, approval: Approval, deadline: float, progress: Progress | None) -> None:
        """Return once something else is known about a call, or at the deadline."""
        while self._waits(approval) and (left := deadline - anyio.current_time()) > 0:
            if progress is not None:
                await progress(f"waits for an approval, {approval.id}, {_words(left)} at most")
            with anyio.move_on_after(min(left, PROGRESS)):
                while self._waits(approval):
                    await self._keeper.changed.wait()

    def _waits(self, approval: Approval) -> bool:
        return self._keeper.table.get(approval.call, self._node.clock.wall()) == approval


def _words(seconds: float) -> str:
    return f"{math.ceil(seconds / 60)} min" if seconds > 90 else f"{math.ceil(seconds)} s"
