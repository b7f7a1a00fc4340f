"""The approvals in a node: what the plugin registers of them, and what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import StateError
from clawmatrix_grants import hookspecs
from clawmatrix_grants.api import ApprovalRequest
from clawmatrix_grants.approvals.keeper import ApprovalKeeper
from clawmatrix_grants.approvals.methods import ApprovalMethods
from clawmatrix_grants.approvals.settling import Settling
from clawmatrix_grants.approvals.words import visible

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from clawmatrix_core import JSON, ControlMethod, Node, PluginScope
    from clawmatrix_grants.api import Permit, Progress, Question
    from clawmatrix_grants.approvals.table import Approval

__all__ = ["Approvals"]


class Approvals:
    """The approvals of one node."""

    def __init__(self) -> None:
        self._keeper: ApprovalKeeper | None = None
        self._changed = anyio.Event()

    def methods(self, node: Node) -> list[ControlMethod]:
        """Return what ``clawmatrix approvals`` calls."""
        return ApprovalMethods(node, lambda: self._keeper).all()

    async def start(self, node: Node, scope: PluginScope, policy: Callable[[], str]) -> None:
        """Read what an earlier run left, and look at it whenever the policy changes.

        ``policy`` returns the digest of the policy in force.
        """
        self._node, self._scope = node, scope
        self._keeper = keeper = ApprovalKeeper(
            node.state,
            audit=node.audit,
            wall=node.clock.wall,
            new_id=lambda: f"{node.random.getrandbits(48):012x}",
            log=node.logger("grants"),
        )
        self._settling = Settling(node, keeper, policy, self._announce)
        node.when_policy_changes(self.review)
        scope.start_soon(self._review_when_told, name="review of approvals")

    async def settle(
        self, question: Question, progress: Progress | None, wait: float | None
    ) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
        return await self._settling.settle(question, progress, wait)

    def review(self, *_: object) -> None:
        """Have all approvals looked at: the policy, or what is known of keys, has changed."""
        self._changed.set()

    def tell(self, log: logging.Logger, request: ApprovalRequest) -> None:
        """Tell the log of a call that waits, without its arguments."""
        what, id_ = f"{request.action} {visible(request.target)}", request.id
        words = "%s asks for the %s: `clawmatrix approvals show %s` has all of it"
        log.warning(words, request.peer, what, id_)

    async def _review_when_told(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            try:
                await self._review()
            except StateError as error:
                self._scope.report(error, "ending approvals")

    async def _review(self) -> None:
        """End the approvals of calls that nobody would be asked about as they were."""
        assert self._keeper is not None
        known = self._keeper.table.approvals.values()
        gone = [one for one in known if not await self._settling.still_asks(one)]
        for one in gone:
            words = "%s, the call of %s, is ended: the policy or its key has changed"
            self._node.logger("grants").info(words, one.id, one.call.peer)
        await self._keeper.end({one.id for one in gone})

    def _announce(self, approval: Approval) -> None:
        call = approval.call
        request = ApprovalRequest(
            id=approval.id,
            peer=call.peer,
            key=call.key,
            action=call.action,
            target=call.target,
            arguments=call.read_arguments(),
            rule=call.rule,
            until=approval.until,
        )
        self._scope.start_soon(self._tell, request, name="approval_requested")

    async def _tell(self, request: ApprovalRequest) -> None:
        await self._node.hooks.notify(hookspecs.approval_requested, request=request)

    def counts(self) -> JSON:
        """Return how many there are in each state, for the status."""
        table = None if self._keeper is None else self._keeper.table
        states = (
            []
            if table is None
            else [one.state for one in table.living(self._node.clock.wall()).approvals.values()]
        )
        return {state: states.count(state) for state in ("pending", "allowed", "refused")}
