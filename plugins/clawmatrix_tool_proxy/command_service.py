"""Everything that a node needs for commands, put together from its configuration."""

from __future__ import annotations

from contextlib import AsyncExitStack
from logging import getLogger
from typing import TYPE_CHECKING, Final

from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.exec.cgroups import usable_cgroup
from clawmatrix_tool_proxy.exec.findings import findings_of
from clawmatrix_tool_proxy.exec.guards import Guards
from clawmatrix_tool_proxy.exec.jobs import Jobs
from clawmatrix_tool_proxy.exec.parts_here import PartsHere, parts_here, refused_roots
from clawmatrix_tool_proxy.exec.roots import CommandRoots
from clawmatrix_tool_proxy.exec.tools import CommandTools
from clawmatrix_tool_proxy.files.config import root_tables
from clawmatrix_tool_proxy.own_places import OwnPlaces
from clawmatrix_tool_proxy.serving.exposure import Exposure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from clawmatrix_core import Config, Finding, Node
    from clawmatrix_tool_proxy.tool import Tool

__all__ = ["CommandService", "command_tools", "confinement_findings", "roots_without_commands"]

_NAMES: Final = ("exec", "shell")


def exposes_commands(config: Config) -> bool:
    """Return whether a node exposes tools that run commands."""
    table = config.section(ToolProxyConfig)
    exposure = Exposure(table.allow, table.deny)
    return any(exposure.exposes(name) for name in _NAMES)


def jobs_of(config: Config) -> Jobs:
    """Return what makes the jobs of commands by a configuration."""
    table = config.section(ToolProxyConfig)
    tables, chosen = root_tables(table.roots), table.exec.roots
    used = {name: root for name, root in tables.items() if chosen is None or name in chosen}
    places = OwnPlaces(config)
    return Jobs(table.exec, CommandRoots(used), places, usable_cgroup())


def command_tools(config: Config) -> Sequence[Tool]:
    """Return the tools of any node, with roots or without; they are for looking at only."""
    jobs = jobs_of(config)
    return CommandTools(lambda: jobs, Guards(), getLogger(__name__)).tools()


async def roots_without_commands(config: Config) -> list[tuple[str, str]]:
    """Return the roots that no command may use, each with the reason; none where none runs."""
    if not exposes_commands(config):
        return []
    jobs, guards = jobs_of(config), Guards()
    here = await parts_here(guards, jobs)
    return [] if here.failure else sorted((await refused_roots(guards, jobs, here)).items())


async def confinement_findings(config: Config) -> list[Finding]:
    """Return what the doctor says of commands: the parts of the confinement, and the network."""
    if not exposes_commands(config):
        return []
    jobs, guards = jobs_of(config), Guards()
    here = await parts_here(guards, jobs)
    refused = None if here.failure else await refused_roots(guards, jobs, here)
    return findings_of(here, jobs.config, refused or {})


class CommandService:
    """The tools ``exec`` and ``shell`` of a node, as long as it runs.

    Args:
        node: the node.
        python: the command of the Python that guards run on; the node's own unless given.
    """

    def __init__(self, node: Node, python: Sequence[str] | None = None) -> None:
        self._node = node
        self._log = node.logger("exec")
        self._guards = Guards(python, cgroup=usable_cgroup())
        self._jobs = jobs_of(node.config)
        self._tools = CommandTools(lambda: self._jobs, self._guards, self._log)
        self._parts: PartsHere | None = None
        self._stack = AsyncExitStack()

    async def configure(self) -> None:
        """Take the configuration as it is now.

        At first a guard is asked which parts of the confinement this machine has.
        """
        self._jobs = jobs_of(self._node.config)
        wanted = exposes_commands(self._node.config) and bool(self._jobs.roots.names)
        if wanted and self._parts is None:
            self._parts = await parts_here(self._guards, self._jobs)
        await self._keep_spare(wanted=wanted and self._jobs.config.spare)
        if wanted and (why := self.refusal()) is not None:
            self._log.error("exec and shell are refused: %s", why)

    def refusal(self) -> str | None:
        """Return why no command runs here, None where commands do."""
        if self._parts is None:
            return "they are not exposed"
        return self._parts.refusal(self._jobs.config.without)

    def tools(self) -> Sequence[Tool]:
        """Return the tools; none where this machine lacks a part that it must not lack."""
        if self.refusal() is not None or not self._jobs.roots.names:
            return ()
        return self._tools.tools()

    async def __aenter__(self) -> CommandService:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._guards)
            await self.configure()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _keep_spare(self, *, wanted: bool) -> None:
        if wanted:
            self._guards.spare = True
            self._guards.prepare()
        else:
            await self._guards.close()
