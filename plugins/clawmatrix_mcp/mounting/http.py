"""A server at an address, asked over Streamable HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client

from clawmatrix_mcp.mounting.bodies import Body
from clawmatrix_mcp.mounting.metering import LINE, ServerFailed
from clawmatrix_mcp.mounting.streams import Streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from mcp.client._transport import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

    from clawmatrix_mcp.mounting.metering import Meter

__all__ = ["over_http"]

_TIMEOUT: Final = httpx2.Timeout(30.0, read=None)
"""Seconds to connect and to send; a call has a deadline of its own."""
_LIMITS: Final = httpx2.Limits(max_connections=1024)
"""Connections: each call that runs has one, and tool-proxy bounds these."""
_LEAVING: Final = 1.0
"""Seconds that telling a server of the end of its session may take."""
_SESSION: Final = "mcp-session-id"


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str], meter: Meter) -> AsyncIterator[Streams]:
    """Carry messages between an address and the streams of a client, as a block.

    No proxy is used, and no redirect to another host is followed.

    Args:
        url: the address.
        headers: what goes with each request.
        meter: counts what comes.

    Raises: a group with ServerFailed, where the server did what it must not; with errors of
        httpx2, where it cannot be reached. Either ends what the block does.
    """
    streams = Streams(meter)
    way = _Way(meter, streams)
    # Nothing is unpacked: what a small body becomes would have no bound.
    told = {"accept-encoding": "identity", **headers}
    client = httpx2.AsyncClient(headers=told, timeout=_TIMEOUT, transport=way, trust_env=False)
    async with client, anyio.create_task_group() as group:
        opened = streamable_http_client(
            url, http_client=client, terminate_on_close=False, max_sse_event_size=int(LINE)
        )
        group.start_soon(way.fail_if_told)
        async with opened as (coming, going):
            group.start_soon(_carry_out, coming, streams)
            group.start_soon(_carry_in, going, streams)
            try:
                yield streams
            finally:
                streams.close()
                await _end_session(client, url, way.session)
                group.cancel_scope.cancel()


async def _carry_out(coming: ReadStream[SessionMessage | Exception], streams: Streams) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the client leaves
        async for item in coming:
            await streams.came(item, 0)  # bytes are counted where they come in


async def _carry_in(going: WriteStream[SessionMessage], streams: Streams) -> None:
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        while True:
            await going.send(await streams.next_to_send())


async def _end_session(client: httpx2.AsyncClient, url: str, session: str | None) -> None:
    if session is None:
        return
    with anyio.CancelScope(shield=True), anyio.move_on_after(_LEAVING), suppress(Exception):
        await client.delete(url, headers={_SESSION: session})  # whether it can or not


class _Way(httpx2.AsyncBaseTransport):
    """The connections to one server: what comes over them is counted.

    Attributes:
        session: the word of the session, where the server has sessions.
    """

    def __init__(self, meter: Meter, streams: Streams) -> None:
        self._inner = httpx2.AsyncHTTPTransport(limits=_LIMITS)
        self._meter, self._streams = meter, streams
        self.session: str | None = None
        self._failed, self._why = anyio.Event(), ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2. Raises: ServerFailed."""
        response = await self._inner.handle_async_request(request)
        self.session = response.headers.get(_SESSION, self.session)
        if response.status_code >= 300:
            self._streams.hint = f"HTTP status {response.status_code}"
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._fail("it sent a compressed body, which was not asked for")
        kind = response.headers.get("content-type", "")
        events = kind.startswith("text/event-stream")
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        response.stream = _Counted(stream, Body(events=events), self._meter, self._fail)
        return response

    async def aclose(self) -> None:
        """See httpx2."""
        await self._inner.aclose()

    async def fail_if_told(self) -> None:
        """Wait for a body that is too much. Raises: ServerFailed, then."""
        await self._failed.wait()
        raise ServerFailed(self._why)

    def _fail(self, why: str) -> ServerFailed:
        self._why = self._why or why
        self._failed.set()
        return ServerFailed(why)


class _Counted(httpx2.AsyncByteStream):
    """The body of an answer, while it is read."""

    def __init__(
        self,
        inner: httpx2.AsyncByteStream,
        body: Body,
        meter: Meter,
        fail: Callable[[str], ServerFailed],
    ) -> None:
        self._inner, self._body, self._meter, self._fail = inner, body, meter, fail

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                await self._spend(self._body.take(part))
                yield part
            await self._spend(self._body.end())
        except ServerFailed as error:
            raise self._fail(str(error)) from None

    async def _spend(self, cost: int) -> None:
        if cost and (pause := self._meter.bytes(cost)):
            await anyio.sleep(pause)

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()
