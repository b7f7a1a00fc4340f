"""The plugin: it decides who may do what, as the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from clawmatrix_core import (
    ConfigSection,
    ControlMethod,
    ExchangeFailure,
    StateError,
    StatusSection,
    Verdict,
    hookimpl,
)
from clawmatrix_grants import hookspecs
from clawmatrix_grants.names import APPROVALS_TABLE, STATE, TABLE, TESTS_TABLE
from clawmatrix_grants.settles import SettlesAsks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click

    from clawmatrix_core import (
        JSON,
        Action,
        Beside,
        Check,
        Config,
        Node,
        NodeId,
        PluginScope,
    )
    from clawmatrix_grants.api import ApprovalRequest, Permit, Progress, Question
    from clawmatrix_grants.config import GrantsConfig
    from clawmatrix_grants.expectations import ExpectationsConfig
    from clawmatrix_grants.policy import Policy
    from clawmatrix_grants.service import GrantsService
    from clawmatrix_grants.warnings.entries import Path, Warned

__all__ = ["GrantsPlugin"]

_CALLS: Final = (
    *("grants.key", "grants.show", "grants.check"),
    *("approvals.list", "approvals.show", "approvals.allow", "approvals.deny"),
    *("approvals.rule", "approvals.ruled"),
)
_STREAMS: Final = ("approvals.watch",)


class GrantsPlugin(SettlesAsks):
    """Answers by ``[grants]``, and leaves all to others where there is no such table.

    Attributes:
        service: what does so; None as long as there is no table, no approval and no question.
    """

    plugin_name = "grants"
    hookspecs = hookspecs

    def __init__(self) -> None:
        self.service: GrantsService | None = None
        self._making = anyio.Lock()
        self._scope: PluginScope | None = None

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the tables ``grants``, ``grants-tests`` and ``approvals``."""
        return [
            ConfigSection(TABLE, "clawmatrix_grants.config:GrantsConfig", warn=_warn),
            ConfigSection(
                TESTS_TABLE, "clawmatrix_grants.expectations:ExpectationsConfig", check=_check
            ),
            ConfigSection(APPROVALS_TABLE, "clawmatrix_grants.approvals.config:ApprovalsConfig"),
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
        return ControlMethod.later(self._methods, _CALLS, _STREAMS)

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how many calls wait for an approval."""
        return [StatusSection("approvals", self._counts, text=_status_lines, colour="yellow")]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Have ``clawmatrix doctor`` show which grants do not count."""
        from clawmatrix_grants.checks import grants_check

        return grants_check(config, node)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Put the table into the form in which it is asked, and look at earlier approvals."""
        self._node, self._scope = node, scope
        if _has_tables(node) or _has_approvals(node):
            await self.serve()
        self.policy(node)

    @hookimpl
    async def node_started(self) -> None:
        """Look at the approvals of an earlier run, now that all plugins decide."""
        if self.service is not None:
            self.service.approvals.review()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Do the same with another table, where nobody has asked since it came."""
        if self.service is not None or _has_tables(node):
            (await self.serve()).changed()
        self.policy(node)

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
        if not node.config.has_table(TABLE):
            return None
        found = (await self.serve()).decide(peer, key, action, target, arguments)
        if found is None or found.effect is None:
            return None
        return Verdict(found.effect, found.reason, found.rule)

    async def settle(
        self, question: Question, progress: Progress | None, wait: float | None
    ) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
        return await (await self.serve()).approvals.settle(question, progress, wait)

    @hookimpl
    async def approval_requested(self, node: Node, request: ApprovalRequest) -> None:
        """Tell the log that a call waits."""
        (await self.serve()).approvals.tell(node.logger("grants"), request)

    def policy(self, node: Node) -> Policy | None:
        """Return the table as it is in force, None where there is none, or nobody asked yet."""
        return None if self.service is None else self.service.policy()

    async def serve(self) -> GrantsService:
        """Return the service, which is imported and started when it is first wanted.

        Raises: ExchangeFailure, before the plugin has started.
        """
        if self.service is None:
            if self._scope is None:
                raise ExchangeFailure("no_approvals", "this node has not started yet")
            async with self._making:
                if self.service is None:
                    # The other tasks go on while a node that runs imports it.
                    service = (await anyio.to_thread.run_sync(_service_class))(self._node)
                    await service.start(self._scope)
                    self.service = service
        return self.service

    async def _methods(self) -> Sequence[ControlMethod]:
        return (await self.serve()).methods()

    def _counts(self) -> JSON:
        if self.service is None:
            return {"pending": 0, "allowed": 0, "refused": 0}
        return self.service.approvals.counts()


def _service_class() -> type[GrantsService]:
    from clawmatrix_grants.service import GrantsService  # most nodes do without

    return GrantsService


def _has_tables(node: Node) -> bool:
    return any(map(node.config.has_table, (TABLE, TESTS_TABLE, APPROVALS_TABLE)))


def _has_approvals(node: Node) -> bool:
    try:
        return bool(node.state.read(STATE))
    except StateError:
        return True  # the service says so


def _status_lines(counts: JSON) -> Sequence[str]:
    if not counts["pending"]:
        return []
    wait = "call waits" if counts["pending"] == 1 else "calls wait"
    return [f"{counts['pending']} {wait} for an approval: clawmatrix approvals list"]


# A node that runs needs none of what these import, unless somebody looks at its configuration.


def _warn(config: GrantsConfig, beside: Beside) -> Iterator[Warned]:
    from clawmatrix_grants.warnings.looking import warn_of_grants

    return warn_of_grants(config, beside)


def _check(tests: ExpectationsConfig, beside: Beside) -> Iterator[tuple[Path, str]]:
    from clawmatrix_grants.warnings.looking import check_expectations

    return check_expectations(tests, beside)
