"""Everything that a node needs for the tools that read and write files, by its configuration."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio.to_thread

from clawmatrix_core import Finding
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.files.config import root_tables
from clawmatrix_tool_proxy.files.roots import Roots
from clawmatrix_tool_proxy.files.tools import FileTools
from clawmatrix_tool_proxy.own_places import OwnPlaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from clawmatrix_core import Config, Node
    from clawmatrix_tool_proxy.files.config import RootTable
    from clawmatrix_tool_proxy.tool import Tool

__all__ = ["FileService", "file_tools", "roots_findings"]


class FileService:
    """The tools ``read``, ``write``, ``edit``, ``list`` and ``search`` of a node, as it runs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = node.logger("files")
        self._stack = ExitStack()
        places = self._stack.enter_context(OwnPlaces(node.config, lambda: node.config))
        self._roots = self._stack.enter_context(Roots({}, places))
        self._tools = FileTools(
            self._roots, lambda: node.config.section(ToolProxyConfig).max_output
        )

    async def __aenter__(self) -> Self:
        await self.configure()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    async def configure(self) -> None:
        """Open the roots that the configuration has now; log why one cannot be opened."""
        tables = _tables(self._node.config)
        if not tables and not self._roots.configured:
            return
        await anyio.to_thread.run_sync(self._roots.replace, tables)
        for name, why in sorted(self._roots.problems.items()):
            self._log.warning("the root %s cannot be used: %s", name, why)

    def tools(self) -> Sequence[Tool]:
        """Return the tools; none where the node has no roots."""
        return self._tools.tools() if _tables(self._node.config) else ()


def file_tools(config: Config) -> Sequence[Tool]:
    """Return the tools of any node, with roots or without; a call of one fails."""
    return FileTools(Roots({}, OwnPlaces(config)), lambda: 0).tools()


async def roots_findings(config: Config) -> list[Finding]:
    """Return what the doctor says of the roots of a configuration."""
    tables = _tables(config)
    problems = await anyio.to_thread.run_sync(_problems, config, tables)
    advice = "see to the folder, or take the root out of [tool-proxy.roots]"
    found = [
        Finding("tool-proxy.roots", "warning", f"{name}: {why}", advice)
        for name, why in sorted(problems.items())
    ]
    if tables and not found:
        names = ", ".join(sorted(tables))
        found.append(Finding("tool-proxy.roots", "ok", f"the folders are there: {names}"))
    return found


def _tables(config: Config) -> Mapping[str, RootTable]:
    return root_tables(config.section(ToolProxyConfig).roots)


def _problems(config: Config, tables: Mapping[str, RootTable]) -> Mapping[str, str]:
    with OwnPlaces(config) as places, Roots(tables, places) as roots:
        return dict(roots.problems)
