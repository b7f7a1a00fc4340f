"""The plugin: what it registers, and how it decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookimpl
from clawmatrix_grants import hookspecs
from clawmatrix_grants.api import SettlesAsks
from clawmatrix_grants.approvals.part import Approvals
from clawmatrix_grants.approvals.words import visible

if TYPE_CHECKING:
    import click

    from clawmatrix_core import ConfigSection, ControlMethod, Node, PluginScope, StatusSection
    from clawmatrix_grants.api import ApprovalRequest, Permit, Progress, Question

__all__ = ["GrantsPlugin"]


class GrantsPlugin(SettlesAsks):
    """Decides who may do what, and has people approve calls."""

    plugin_name = "grants"
    hookspecs = hookspecs

    def __init__(self) -> None:
        self._approvals = Approvals(lambda: "")

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the tables."""
        return [self._approvals.section()]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``approvals``."""
        from clawmatrix_grants.approvals.commands import approvals  # a node that runs does without

        return [approvals]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what ``clawmatrix approvals`` calls."""
        return self._approvals.methods(node)

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how many calls wait for an approval."""
        return [self._approvals.status()]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Read the approvals of an earlier run."""
        await self._approvals.start(node, scope)

    @hookimpl
    async def node_started(self, node: Node) -> None:
        """Look at the approvals of an earlier run, now that all plugins decide."""
        self._approvals.review()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Look at the approvals again."""
        self._approvals.review()

    async def settle(self, question: Question, progress: Progress | None) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
        return await self._approvals.settle(question, progress)

    @hookimpl
    async def approval_requested(self, node: Node, request: ApprovalRequest) -> None:
        """Tell the log that a call waits."""
        node.logger("grants").warning(
            "%s asks for the %s %s: clawmatrix approvals show %s",
            request.peer,
            request.action,
            visible(request.target),
            request.id,
        )
