"""Answers requests of MCP clients for resources and prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
)

from clawmatrix_mcp.offering.cancelling import when_gone
from clawmatrix_mcp.offering.handlers import CALLS, NO_CACHE, Handlers
from clawmatrix_mcp.offering.shown import fitting
from clawmatrix_tool_proxy.api import ToolFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel.server import Server

    from clawmatrix_core import JSON

__all__ = ["ResourceHandlers", "Resources"]


class Resources(Protocol):
    """The resources and prompts of the mesh."""

    async def list_resources(self) -> list[dict[str, JSON]]:
        """Return all resources."""

    async def list_templates(self) -> list[dict[str, JSON]]:
        """Return all templates of resources."""

    async def read(
        self, uri: str, *, report: Callable[[str], Awaitable[None]] | None = None
    ) -> dict[str, JSON]:
        """Return the result of reading one. Raises: ToolFailed."""

    async def list_prompts(self) -> list[dict[str, JSON]]:
        """Return all prompts."""

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str],
        *,
        report: Callable[[str], Awaitable[None]] | None = None,
    ) -> dict[str, JSON]:
        """Return the result of getting one. Raises: ToolFailed."""

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when a list is another one; return what ends that."""


_NOT_THERE: Final = ("unknown", "bad_uri", "not_allowed")


class ResourceHandlers:
    """What the SDK's server calls; each method takes a context of the SDK."""

    def __init__(self, resources: Resources, calls: Handlers) -> None:
        """Make them; they count as ``calls`` do."""
        self._resources, self._calls = resources, calls

    def add_to(self, server: Server[Any]) -> None:
        """Have a server answer with them."""
        add = server.add_request_handler
        add("resources/list", PaginatedRequestParams, self.list_resources)
        add("resources/templates/list", PaginatedRequestParams, self.list_templates)
        add("resources/read", ReadResourceRequestParams, self.read)
        add("prompts/list", PaginatedRequestParams, self.list_prompts)
        add("prompts/get", GetPromptRequestParams, self.get_prompt)

    async def list_resources(
        self, ctx: ServerRequestContext[Any, Any], params: object
    ) -> dict[str, JSON]:
        """Answer ``resources/list``."""
        found = await self._resources.list_resources()
        return _list(ctx, "resources/list", "resources", found)

    async def list_templates(
        self, ctx: ServerRequestContext[Any, Any], params: object
    ) -> dict[str, JSON]:
        """Answer ``resources/templates/list``."""
        found = await self._resources.list_templates()
        return _list(ctx, "resources/templates/list", "resourceTemplates", found)

    async def list_prompts(
        self, ctx: ServerRequestContext[Any, Any], params: object
    ) -> dict[str, JSON]:
        """Answer ``prompts/list``."""
        found = await self._resources.list_prompts()
        return _list(ctx, "prompts/list", "prompts", found)

    async def read(
        self, ctx: ServerRequestContext[Any, Any], params: ReadResourceRequestParams
    ) -> dict[str, JSON]:
        """Answer ``resources/read``."""
        return await self._asked(ctx, self._resources.read, str(params.uri))

    async def get_prompt(
        self, ctx: ServerRequestContext[Any, Any], params: GetPromptRequestParams
    ) -> dict[str, JSON]:
        """Answer ``prompts/get``."""
        arguments = params.arguments or {}
        return await self._asked(ctx, self._resources.get_prompt, params.name, arguments)

    async def _asked(
        self, ctx: ServerRequestContext[Any, Any], ask: Callable[..., Any], *given: object
    ) -> dict[str, JSON]:
        """Ask another node; it ends when the client goes. Raises: MCPError."""
        told = 0

        async def report(words: str) -> None:
            nonlocal told
            told += 1
            await ctx.session.report_progress(told, None, words)

        if self._calls.running >= CALLS:
            raise MCPError(INTERNAL_ERROR, f"{CALLS.text} calls run already", {"code": "busy"})
        with self._calls.slot(), anyio.CancelScope() as scope:
            when_gone(ctx, scope)
            try:
                return {**NO_CACHE, **await ask(*given, report=report)}
            except ToolFailed as error:
                code = INVALID_PARAMS if error.code in _NOT_THERE else INTERNAL_ERROR
                raise MCPError(code, f"{error} ({error.code})", {"code": error.code}) from None
        raise MCPError(INTERNAL_ERROR, "nobody waits for it")


def _list(
    ctx: ServerRequestContext[Any, Any], method: str, key: str, items: list[dict[str, JSON]]
) -> dict[str, JSON]:
    return {key: [*fitting(method, key, items, ctx.protocol_version)], **NO_CACHE}
