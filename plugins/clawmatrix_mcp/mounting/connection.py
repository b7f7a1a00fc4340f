"""The SDK's client of one server: what the server has, raw requests, and notices of changes."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import mcp_types as types
import msgspec
from mcp import Client, MCPError
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ToolsListChanged,
)
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, REQUEST_TIMEOUT
from pydantic import TypeAdapter, ValidationError

from clawmatrix_core.spi import stray
from clawmatrix_mcp.mounting.contents import CAPABILITIES, KINDS, MODERN, Contents, Kind
from clawmatrix_mcp.mounting.failures import first_of
from clawmatrix_mcp.mounting.metering import ServerFailed
from clawmatrix_mcp.mounting.screening import screened
from clawmatrix_tool_proxy.api import ToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_mcp.mounting.contents import About
    from clawmatrix_mcp.mounting.relayed_progress import Report
    from clawmatrix_mcp.mounting.streams import Streams

__all__ = ["Connection", "connected"]

_RAW: Final[TypeAdapter[Any]] = TypeAdapter(dict[str, Any])
_IN_HEADERS: Final = b'"x-mcp-header"'
"""What stands in the schema of a tool of which an argument goes into a header."""
_PAGES: Final = 64
"""Pages of one list of a server that are read."""
_CHANGED: Final[Mapping[str, tuple[Kind, ...]]] = {
    "notifications/tools/list_changed": ("tools",),
    "notifications/resources/list_changed": ("resources", "templates"),
    "notifications/prompts/list_changed": ("prompts",),
}
_EVENTS: Final[Mapping[type, tuple[Kind, ...]]] = {
    ToolsListChanged: ("tools",),
    ResourcesListChanged: ("resources", "templates"),
    PromptsListChanged: ("prompts",),
}
_LISTENING: Final = 5.0
"""Seconds before changes are listened for again, where a server ended that."""


class _Request(types.Request[dict[str, Any], str]):
    """A request whose parameters pass as they are."""


class Connection:
    """A server that has answered, until it ends.

    Attributes:
        protocol: the version of MCP that was agreed on.
    """

    def __init__(self, client: Client, streams: Streams, lost: Callable[[], None]) -> None:
        self._client, self._streams, self._lost = client, streams, lost
        self.protocol = client.protocol_version
        self._has = client.server_capabilities

    @property
    def modern(self) -> bool:
        """Whether the server speaks without sessions, of the version 2026-07-28 or later."""
        return self.protocol >= MODERN

    async def request(
        self, method: str, params: Mapping[str, JSON], progress: Report | None = None
    ) -> dict[str, Any]:
        """Ask the server; return its result as it came. Cancelling this cancels it there.

        Raises: ToolError ``server_lost``, where it ended meanwhile; ``bad_answer``; ``mcpCODE``
            with the number of an error that the server told.
        """
        try:
            msgspec.json.encode(params)
        except (TypeError, ValueError) as error:
            raise ToolError(
                f"the arguments are no JSON: {error}", "bad_arguments", began=False
            ) from None
        request = _Request(method=method, params=self._params(params))
        try:
            found: dict[str, Any] = await self._client.session.send_request(
                request, _RAW, progress_callback=progress
            )
            return found
        except MCPError as error:
            raise self._failure(error) from None
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))[:200]
            words = f"the server's answer is no result of {method} (at {where}), which may have run"
            raise ToolError(words, "bad_answer") from None

    def _params(self, params: Mapping[str, JSON]) -> dict[str, Any]:
        meta = dict(params.get("_meta") or {})
        if not self.modern:  # there each request would be taken for a client of its own
            meta.pop(CAPABILITIES, None)
        rest = {key: value for key, value in params.items() if key != "_meta"}
        return {**rest, "_meta": meta} if meta else rest

    async def list(self, kind: Kind, most: int) -> list[JSON]:
        """Return what the server lists of a kind, ``most`` and a page at most; nothing where it
        has none. Raises: ToolError.
        """
        about = KINDS[kind]
        if getattr(self._has, about.capability) is None:
            return []
        found: list[JSON] = []
        params: dict[str, JSON] = {}
        for _ in range(_PAGES):
            page = await self._page(about, params)
            found += page.get(about.key) or ()
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or len(found) > most:
                break
            params = {"cursor": cursor}
        if kind == "tools" and self.modern and _IN_HEADERS in msgspec.json.encode(found):
            await self._learn_headers()
        return found[:most]

    async def _page(self, about: About, params: Mapping[str, JSON]) -> dict[str, Any]:
        """Return a page of a list; of a server that once sent a bad one, each thing is looked at.

        So a good server's are looked at once, by the SDK. Raises: ToolError.
        """
        try:
            return await self.request(about.method, params)
        except ToolError as error:
            if error.code != "bad_answer" or about.key in self._streams.screens:
                raise
        self._streams.screens[about.key] = partial(screened, about, self.protocol)
        return await self.request(about.method, params)

    async def _learn_headers(self) -> None:
        """Have the SDK read which arguments of tools go into headers: it does so as it lists."""
        cursor: str | None = None
        for _ in range(_PAGES):
            try:
                page = await self._client.list_tools(cursor=cursor)
            except (MCPError, ValidationError):
                return  # without these headers the server refuses such a call, and says so
            if (cursor := page.next_cursor) is None:
                return

    async def contents(self) -> Contents:
        """Return all that the server lists. Raises: ToolError."""
        found = Contents()
        for kind, about in KINDS.items():
            try:
                things = await self.list(kind, about.most)
            except ToolError as error:
                if kind == "tools" or not error.code.startswith("mcp"):
                    raise
                continue  # many servers with resources know nothing of templates
            found = found.with_list(kind, things)
        return found

    async def listen(self, changed: Callable[[Kind], None]) -> None:
        """Tell of changed lists of a server that speaks without sessions, until cancelled."""
        has = self._has
        tools, resources, prompts = (
            bool(one is not None and one.list_changed)
            for one in (has.tools, has.resources, has.prompts)
        )
        while self.modern and (tools or resources or prompts):
            with suppress(Exception):  # whatever ends it, it is begun again
                async with self._client.listen(
                    tools_list_changed=tools,
                    resources_list_changed=resources,
                    prompts_list_changed=prompts,
                ) as events:
                    async for event in events:
                        for kind in _EVENTS.get(type(event), ()):
                            changed(kind)
            await anyio.sleep(_LISTENING)
            for kind in KINDS:  # what changed meanwhile was told to nobody
                changed(kind)

    def _failure(self, error: MCPError) -> ToolError:
        if error.code == CONNECTION_CLOSED:
            self._lost()
            words = "the server ended in the middle of the call, which may have run"
            return ToolError(words, "server_lost")
        if error.code == INVALID_REQUEST and error.message == "Session terminated":
            self._lost()
            words = "the server has forgotten its session; the call has not run"
            return ToolError(words, "server_lost", began=False)
        if error.code == REQUEST_TIMEOUT:
            return ToolError("the server took too long; the call may have run", "server_lost")
        return ToolError(f"{error.message} ({error.code})", f"mcp{error.code}")


@asynccontextmanager
async def connected(
    streams: Streams,
    lost: Callable[[], None],
    changed: Callable[[Kind], None],
    noted: Callable[[str], None],
) -> AsyncIterator[Connection]:
    """Agree on a version of MCP with a server, as a block.

    Args:
        streams: lead to the server.
        lost: called when an answer shows that the server must be begun with anew.
        changed: called with the kind of a list that changed.
        noted: called with words for the log.

    Raises: ServerFailed, where it does not answer as a server does.
    """

    async def heard(message: object) -> None:
        if isinstance(message, Exception):
            noted(f"it sent {message}")
            return
        method = getattr(message, "method", "")
        for kind in _CHANGED.get(method, ()):
            changed(kind)

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        noted(f"{params.level}: {str(params.data)[:1000]}")

    info = types.Implementation(name="clawmatrix", version="1")
    client = Client(
        streams, cache=None, client_info=info, message_handler=heard, logging_callback=logged
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(client)
        except BaseException as error:
            if (fault := stray(error)) is None:
                raise
            raise _beginning(first_of(fault), streams.hint) from None
        yield Connection(client, streams, lost)


def _beginning(fault: BaseException, hint: str) -> BaseException:
    """Return what is wrong with a server that did not begin."""
    if isinstance(fault, MCPError):
        return ServerFailed(f"it refused: {fault.message} ({hint or fault.code})")
    if isinstance(fault, ValidationError | RuntimeError):
        return ServerFailed("it does not begin as an MCP server does")
    return fault
