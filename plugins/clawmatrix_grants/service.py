"""Everything that a node needs where it has grants or approvals; most nodes do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_grants.approvals.part import Approvals
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.ending import EndingRules, ends_of
from clawmatrix_grants.expectations import ExpectationsConfig
from clawmatrix_grants.keys import KnownToNode
from clawmatrix_grants.methods import GrantsMethods
from clawmatrix_grants.names import TABLE, TESTS_TABLE
from clawmatrix_grants.policy import Policy
from clawmatrix_grants.question import Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON, Action, ControlMethod, Node, NodeId, PluginScope
    from clawmatrix_grants.question import Decision

__all__ = ["GrantsService"]


class GrantsService:
    """The table ``[grants]`` of a node, as it runs.

    Attributes:
        approvals: the calls about which people are asked, and what they decided.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._read: GrantsConfig | None = None
        self._policy: Policy | None = None
        self.approvals = Approvals()
        self._ending = EndingRules(
            lambda: ends_of(node.config.section(GrantsConfig)),
            node.clock.wall,
            lambda: node.policy_changed("a rule has ended"),
        )

    async def start(self, scope: PluginScope) -> None:
        """Tell which tests fail, and read what an earlier run left."""
        if self._node.config.section(ExpectationsConfig).tests:
            self._tell_failures()
        await self.approvals.start(self._node, scope, self._digest)
        scope.start_soon(self._ending.run, name="ends of rules")

    def _tell_failures(self) -> None:
        from clawmatrix_grants.warnings.looking import failures_of  # few nodes have tests

        log = self._node.logger("grants")
        for path, why in failures_of(self._node):
            log.error("%s.%s: %s", TESTS_TABLE, ".".join(map(str, path)), why)

    def changed(self) -> None:
        """Note that the configuration has changed."""
        self.approvals.review()
        self._ending.changed()

    def methods(self) -> Sequence[ControlMethod]:
        """Return what ``clawmatrix grants`` and ``approvals`` ask the running node for."""
        return [*GrantsMethods(self._node).all(), *self.approvals.methods(self._node)]

    def policy(self) -> Policy | None:
        """Return the table as it is in force, None where there is none."""
        node = self._node
        if not node.config.has_table(TABLE):
            return None
        told = node.config.section(GrantsConfig)
        if self._policy is None or told is not self._read:
            self._read = told
            known = KnownToNode(node)
            self._policy = Policy(told, known, wall=node.clock.wall, is_revoked=known.is_revoked)
        return self._policy

    def decide(
        self,
        peer: NodeId,
        key: str | None,
        action: Action,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Decision | None:
        """Return what the table in force says, None where there is none."""
        policy = self.policy()
        if policy is None:
            return None
        return policy.decide(Question(peer, key, action, target, arguments))

    def _digest(self) -> str:
        policy = self.policy()
        return "" if policy is None else policy.digest
