"""The plugin: it decides who may do what, as the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, Verdict, hookimpl
from clawmatrix_grants import hookspecs
from clawmatrix_grants.api import SettlesAsks
from clawmatrix_grants.approvals.part import Approvals
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.ending import EndingRules, ends_of
from clawmatrix_grants.expectations import TESTS_TABLE, ExpectationsConfig
from clawmatrix_grants.keys import KnownToNode
from clawmatrix_grants.policy import TABLE, Policy
from clawmatrix_grants.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import click

    from clawmatrix_core import (
        JSON,
        Action,
        Beside,
        Check,
        Config,
        ControlMethod,
        Node,
        NodeId,
        PluginScope,
        StatusSection,
    )
    from clawmatrix_grants.api import ApprovalRequest, Permit, Progress
    from clawmatrix_grants.warnings.entries import Path, Warned

__all__ = ["GrantsPlugin"]


class GrantsPlugin(SettlesAsks):
    """Answers by ``[grants]``, and leaves all to others where there is no such table.

    Attributes:
        approvals: the calls about which people are asked, and what they decided.
    """

    plugin_name = "grants"
    hookspecs = hookspecs

    def __init__(self) -> None:
        self._read: GrantsConfig | None = None
        self._policy: Policy | None = None
        self.approvals = Approvals()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the tables ``grants``, ``grants-tests`` and ``approvals``."""
        return [
            ConfigSection(TABLE, GrantsConfig, warn=_warn),
            ConfigSection(TESTS_TABLE, ExpectationsConfig, check=_check),
            self.approvals.section(),
        ]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``grants`` and ``approvals``."""
        # A node that runs does without.
        from clawmatrix_grants.approvals.commands import approvals
        from clawmatrix_grants.commands.grants import grants

        return [grants, approvals]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what ``clawmatrix grants`` and ``approvals`` ask the running node for."""
        from clawmatrix_grants.methods import GrantsMethods

        return [*GrantsMethods(node).all(), *self.approvals.methods(node)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how many calls wait for an approval."""
        return [self.approvals.status()]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Have ``clawmatrix doctor`` show which grants do not count."""
        from clawmatrix_grants.checks import grants_check

        return grants_check(config, node)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Put the table into the form in which it is asked, and tell which tests fail."""
        self.policy(node)
        await self.approvals.start(node, scope, lambda: self._digest(node))
        self._ending = EndingRules(
            lambda: ends_of(node.config.section(GrantsConfig)),
            node.clock.wall,
            lambda: node.policy_changed("a rule has ended"),
        )
        scope.start_soon(self._ending.run, name="ends of rules")
        if not node.config.section(ExpectationsConfig).tests:
            return
        from clawmatrix_grants.warnings.looking import failures_of

        for path, why in failures_of(node):
            node.logger("grants").error("%s.%s: %s", TESTS_TABLE, ".".join(map(str, path)), why)

    @hookimpl
    async def node_started(self) -> None:
        """Look at the approvals of an earlier run, now that all plugins decide."""
        self.approvals.review()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Do the same with another table, where nobody has asked since it came."""
        self.policy(node)
        self.approvals.review()
        self._ending.changed()

    @hookimpl
    async def authorize(
        self,
        node: Node,
        peer: NodeId,
        key: str | None,
        action: Action,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Verdict | None:
        """Decide by the table that is in force at this moment."""
        policy = self.policy(node)
        if policy is None:
            return None
        found = policy.decide(Question(peer, key, action, target, arguments))
        return None if found.effect is None else Verdict(found.effect, found.reason, found.rule)

    async def settle(
        self, question: Question, progress: Progress | None, wait: float | None
    ) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
        return await self.approvals.settle(question, progress, wait)

    @hookimpl
    async def approval_requested(self, node: Node, request: ApprovalRequest) -> None:
        """Tell the log that a call waits."""
        self.approvals.tell(node.logger("grants"), request)

    def policy(self, node: Node) -> Policy | None:
        """Return the table as it is in force, None where there is none."""
        if not node.config.has_table(TABLE):
            return None
        told = node.config.section(GrantsConfig)
        if self._policy is None or told is not self._read:
            self._read = told
            known = KnownToNode(node)
            self._policy = Policy(told, known, wall=node.clock.wall, is_revoked=known.is_revoked)
        return self._policy

    def _digest(self, node: Node) -> str:
        policy = self.policy(node)
        return "" if policy is None else policy.digest


# A node that runs needs none of what these import, unless somebody looks at its configuration.


def _warn(config: GrantsConfig, beside: Beside) -> Iterator[Warned]:
    from clawmatrix_grants.warnings.looking import warn_of_grants

    return warn_of_grants(config, beside)


def _check(tests: ExpectationsConfig, beside: Beside) -> Iterator[tuple[Path, str]]:
    from clawmatrix_grants.warnings.looking import check_expectations

    return check_expectations(tests, beside)
