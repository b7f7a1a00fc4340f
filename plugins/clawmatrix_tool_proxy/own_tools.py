"""The tools that work in roots: those for files, and those that run commands."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.command_service import CommandService
from clawmatrix_tool_proxy.file_service import FileService

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from clawmatrix_core import Node
    from clawmatrix_tool_proxy.tool import Tool

__all__ = ["OwnTools"]


class OwnTools:
    """What a node with roots has, as it runs."""

    def __init__(self, node: Node) -> None:
        self._commands, self._files = CommandService(node), FileService(node)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._commands)
            await stack.enter_async_context(self._files)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def configure(self) -> None:
        """Take the configuration as it is now."""
        await self._commands.configure()
        await self._files.configure()

    def tools(self) -> Sequence[Tool]:
        """Return the tools that can be called."""
        return [*self._files.tools(), *self._commands.tools()]
