"""The two streams that the SDK's client speaks over, between it and a transport of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)

from clawmatrix_mcp.mounting.contents import CAPABILITIES, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from clawmatrix_mcp.mounting.metering import Meter

__all__ = ["Streams"]


class Streams:
    """What comes from a server and goes to it; the SDK takes it for a transport.

    Each message that comes waits until the client has taken it.

    Attributes:
        hint: what is known of why a request failed, beside what the SDK says.
        screens: by the key of a list, what it is put through before the SDK looks at it.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter, self.hint = meter, ""
        self.screens: dict[str, Callable[[list[Any]], list[Any]]] = {}
        self._coming: MemoryObjectSendStream[SessionMessage | Exception]
        self._theirs: MemoryObjectReceiveStream[SessionMessage | Exception]
        self._ours: MemoryObjectSendStream[SessionMessage]
        self._going: MemoryObjectReceiveStream[SessionMessage]
        self._coming, self._theirs = anyio.create_memory_object_stream(0)
        self._ours, self._going = anyio.create_memory_object_stream(0)

    async def __aenter__(
        self,
    ) -> tuple[
        MemoryObjectReceiveStream[SessionMessage | Exception],
        MemoryObjectSendStream[SessionMessage],
    ]:
        return self._theirs, self._ours

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all ends; the client's requests that wait for an answer fail."""
        for stream in (self._coming, self._theirs, self._ours, self._going):
            stream.close()

    async def came(self, item: SessionMessage | Exception, size: int) -> None:
        """Hand the client what came, of so many bytes.

        Raises: ServerFailed, where the server asks too much; anyio's errors, where the client is
            gone.
        """
        if isinstance(item, SessionMessage):
            if isinstance(item.message, JSONRPCRequest):
                self._meter.asks()
            elif isinstance(item.message, JSONRPCResponse):
                self._look_through(item.message.result)
        await self._coming.send(item)
        if pause := self._meter.message(size):
            await anyio.sleep(pause)

    async def next_to_send(self) -> SessionMessage:
        """Return what the client sends next. Raises: anyio's errors, where the client is gone."""
        item = await self._going.receive()
        if isinstance(item.message, (JSONRPCResponse, JSONRPCError)):
            self._meter.answered()
        elif isinstance(item.message, JSONRPCRequest):
            _tell_capabilities(item.message.params)
        return item

    def _look_through(self, result: dict[str, Any]) -> None:
        """Leave out what no list of a server may have, before the SDK looks at each."""
        for about in KINDS.values():
            things = result.get(about.key)
            if isinstance(things, list):
                screen = self.screens.get(about.key, list)
                result[about.key] = screen(things[: about.most])


def _tell_capabilities(params: dict[str, Any] | None) -> None:
    """Have a request tell the capabilities of the client that it is for, not those of the SDK's.

    The SDK writes its own into each request, and that late.
    """
    meta = (params or {}).get("_meta") or {}
    if (found := meta.pop(CAPABILITIES, None)) is not None:
        meta[CLIENT_CAPABILITIES_META_KEY] = found
