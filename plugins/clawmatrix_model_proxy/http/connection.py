"""One connection to an HTTP server, kept alive: a request, then its answer, and again."""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute
from anyio.lowlevel import checkpoint

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.http.asyncio_stream import AsyncioStream
from clawmatrix_model_proxy.http.inflater import Inflater
from clawmatrix_model_proxy.http.reader import BrokenAnswer, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import ByteStream

__all__ = ["HttpConnection", "HttpResponse", "broke"]

_SMALL = 64 * 1024
"""Bytes that a connection takes at once, so that sending them needs no limit of its own."""
_PIECE = 256 * 1024
"""Bytes read at once, at most."""
_LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError)


def broke(why: str) -> ExchangeFailure:
    """Return the failure of an upstream that did not answer properly."""
    return ExchangeFailure("upstream_broke", f"the upstream broke off: {why}")


class HttpConnection:
    """A connection. All that is raised is ExchangeFailure.

    Attributes:
        idle_since: the clock's time of its last answer's end.
        half_sent: a request was not sent to its end, so that no other may follow.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.idle_since = 0.0
        self.half_sent = False
        self.reader = ResponseReader()
        self._stream = stream
        below = getattr(stream, "transport_stream", stream)  # of TLS
        self._limited = below if isinstance(below, AsyncioStream) else None
        self._poll = select.poll()
        self._poll.register(stream.extra(SocketAttribute.raw_socket), select.POLLIN)

    def __repr__(self) -> str:
        return f"<HttpConnection {self.reader!r}>"

    @property
    def stale(self) -> bool:
        """True where an idle connection has something to read: its end, mostly.

        Or an answer to nothing that was asked, which the next caller must not get.
        """
        return bool(self._poll.poll(0)) or _holds_more(self._stream)

    def limit(self, deadline: float | None) -> bool:
        """Cut it off at a time of the loop; None for never. False where it cannot be."""
        if self._limited is None:
            return False
        self._limited.limit(deadline)
        return True

    @property
    def expired(self) -> bool:
        """True where it was cut off by ``limit``."""
        return self._limited is not None and self._limited.expired

    async def send(self, request: bytes, limit: float) -> None:
        """Send a request; ``limit`` is in seconds.

        A server may answer before it has all of a large one, and take no more.
        """
        self.reader.start()
        lost: Exception | None = None
        try:
            if len(request) <= _SMALL:
                await self._stream.send(request)
                return
            self.half_sent = True
            with anyio.fail_after(limit):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._hear, tasks.cancel_scope)
                    lost = await self._send_large(request)
                    tasks.cancel_scope.cancel()
        except TimeoutError:
            raise ExchangeFailure("upstream_timeout", "the upstream takes nothing in") from None
        except _LOST as error:
            raise broke(_why(error)) from None
        if self.half_sent and not self.reader.begun:
            raise broke(_why(lost) if lost is not None else "the connection is lost")

    async def _send_large(self, request: bytes) -> Exception | None:
        try:
            await self._stream.send(request)
        except _LOST as error:
            return error
        self.half_sent = False
        return None

    async def _hear(self, sending: anyio.CancelScope) -> None:
        """Give up sending when an answer begins."""
        with contextlib.suppress(ExchangeFailure):  # then sending fails too, with better words
            await self.read_head()
            sending.cancel()

    async def read_head(self) -> None:
        """Return when the head of the answer is here."""
        while not self.reader.begun:
            await self.fill()

    async def fill(self) -> None:
        """Read once."""
        reader = self.reader
        try:
            reader.feed(await self._stream.receive(_PIECE))
        except anyio.EndOfStream:
            self._end()
        except BrokenAnswer as error:
            raise broke(str(error)) from None
        except _LOST as error:
            raise broke(_why(error)) from None

    def _end(self) -> None:
        try:
            self.reader.end()
        except BrokenAnswer as error:
            raise broke(str(error)) from None

    async def close(self) -> None:
        """Close at once, whatever is under way."""
        await anyio.aclose_forcefully(self._stream)


class HttpResponse:
    """An answer whose head is here.

    Attributes:
        status: its status.
        headers: names in lower case.
        framed: true where the end of the body is marked.
    """

    def __init__(
        self, connection: HttpConnection, release: Callable[[HttpConnection], None]
    ) -> None:
        self._connection: HttpConnection | None = connection
        self._reader = reader = connection.reader
        self._release = release
        self.status, self.headers, self.framed = reader.status, reader.headers, reader.framed
        self._inflater = _inflater(reader.headers.get("content-encoding", ""))
        self._kept = b""

    def whole(self, limit: int) -> bytes | None:
        """Return the body where all of it came with the head; None where more may come.

        None as well where it has more than ``limit`` bytes: ``receive`` returns it then.
        """
        if not self._reader.complete or self._inflater is not None:
            return None
        whole, self._kept = self._kept + self._reader.take(), b""
        if len(whole) <= limit:
            return whole
        self._kept = whole
        return None

    async def peek(self, limit: int) -> bytes:
        """Return the body, or more than ``limit`` bytes of a longer one.

        What is read is kept: ``receive`` and ``whole`` return it again. Raises: ExchangeFailure.
        """
        kept = bytearray(self._kept)
        try:
            while len(kept) <= limit and (piece := await self._next()):
                kept += piece
        finally:
            self._kept = bytes(kept)
        return self._kept

    async def receive(self) -> bytes:
        """Return the next bytes of the body, none at its end. Raises: ExchangeFailure."""
        if self._kept:
            kept, self._kept = self._kept, b""
            return kept
        return await self._next()

    async def _next(self) -> bytes:
        reader = self._reader
        while True:
            data = reader.take()
            if self._inflater is not None:
                data = self._inflated(self._inflater, data)
                await checkpoint()  # a small body may open to a large one
                if not data and self._inflater.waiting:
                    continue
            if data or reader.complete or self._connection is None:
                return data
            await self._connection.fill()

    def _inflated(self, inflater: Inflater, data: bytes) -> bytes:
        try:
            opened = inflater.feed(data)
            if not opened and self._reader.complete and not inflater.waiting:
                inflater.end()
        except BrokenAnswer as error:
            raise broke(str(error)) from None
        return opened

    async def close(self) -> None:
        """Give the connection back, or close it where the answer was not read to its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._reader.complete and self._reader.reusable and not connection.half_sent:
            self._release(connection)
        else:
            await connection.close()


def _inflater(encoding: str) -> Inflater | None:
    """Return what opens a compressed body, though it was asked not to be. Raises: ExchangeFailure.

    None where it is not compressed.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in ("gzip", "x-gzip", "deflate"):
        raise broke(f"its answer is in the encoding {name[:40]!r}")
    return Inflater()


def _holds_more(stream: object) -> bool:
    """Say whether bytes wait between the socket and ``receive``, where no poll sees them.

    There is no public way to ask TLS. A stream without these members keeps nothing back.
    """
    tls = getattr(stream, "_read_bio", None)
    if tls is not None:
        return bool(tls.pending) or _holds_more(getattr(stream, "transport_stream", None))
    return bool(getattr(stream, "holds_more", False))


def _why(error: Exception) -> str:
    cause = error.__cause__
    return str(error) or (str(cause) if cause is not None else "") or "the connection is lost"
