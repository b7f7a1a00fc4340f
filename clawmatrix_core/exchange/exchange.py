"""One exchange, as the code that asks and the code that answers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from clawmatrix_core.base.errors import (
    ExchangeCancelled,
    ExchangeError,
    ExchangeFailure,
    LocalProtocolError,
)
from clawmatrix_core.exchange.end import End, Outcome
from clawmatrix_core.exchange.failures import error_body
from clawmatrix_core.wire.codec import CHUNK, Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.exchanges import Exchanges

__all__ = ["Exchange", "Outcome", "error_body", "joined"]

_encode = msgspec.json.Encoder().encode


class Exchange(End):
    """A request and its answer. Iterate to read; ``send`` and ``finish`` to write.

    JSON payloads come out as what they decode to, byte payloads as ``bytes``. Reading ends
    when the other side has finished. An error answer, a lost node, a passed deadline or a
    missing route raise the ExchangeError of that name.

    Leaving ``async with`` before the other side has finished cancels the work there.

    Attributes:
        request: the opening payload, at the answering end.
        complete: the opening frame has the whole request.
    """

    def __init__(
        self,
        table: Exchanges,
        id_: str,
        peer: NodeId,
        type_: str,
        opening: bytes,
        *,
        initiated: bool,
        lane: Lane,
        kind: bytes = b"j",
        request: Any = None,
        complete: bool = False,
    ) -> None:
        super().__init__(table, id_, peer, type_, initiated=initiated, lane=lane)
        if len(opening) > CHUNK:
            raise LocalProtocolError(f"an opening payload of {len(opening)} bytes; stream it")
        self.request = request
        self.complete = complete
        self._opening, self._kind = opening, kind

    # --- asking

    async def __aenter__(self) -> Self:
        if self._table.add(self):
            self._outbox.push(self.type, self._kind, self._opening, fin=self.complete)
            self._opening = b""
            self.flush()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not self._inbox.ended:
            self.cancel(ExchangeCancelled("cancelled here"))
        elif not self._outbox.closed:
            self._outbox.push("data", b"b", b"", fin=True)
            self.flush()
        self._release()

    # --- answering

    async def serve(
        self,
        handler: Callable[[Exchange], Awaitable[None]],
        report: Callable[[Exception, str], None],
    ) -> None:
        """Run the handler of an accepted exchange, and end the exchange as it ends."""
        with anyio.CancelScope() as self._handler:
            try:
                if not self._given_up:  # else it was cancelled before it had its turn
                    await handler(self)
                if not self._outbox.closed:
                    await self.finish()
            except ExchangeFailure as failure:
                self.fail(failure)
            except ExchangeError as error:
                self.fail(ExchangeFailure("failed", str(error)))
            except Exception as error:  # noqa: BLE001 - a handler's fault boundary
                report(error, f"{self.type} handler")
                self.fail(ExchangeFailure("internal", "the handler failed"))
            finally:
                self.drop(ExchangeFailure("cancelled", "the handler was cancelled"))

    def drop(self, failure: ExchangeFailure) -> None:
        """Leave an accepted exchange, with an error where it was not finished."""
        self._handler = None
        self.fail(failure)
        self._release()

    def fail(self, failure: ExchangeFailure) -> None:
        """Finish this side with an error. It gets through although credit is used up."""
        if not self._outbox.closed:
            self._outbox.push("error", b"j", error_body(failure), fin=True)
            self.flush()

    # --- writing

    async def send(self, payload: Any, data: bytes | None = None) -> None:
        """Send bytes, or anything else as JSON; return when it is in the window.

        ``data`` are bytes that follow JSON, in the same frame where they fit; the reader gets
        them as a payload of their own. Waits while the reader at the other end is behind.
        Raises: ExchangeError.
        """
        if data is not None:
            await self._send_both(payload, data, fin=False)
        elif isinstance(payload, bytes | bytearray | memoryview):
            for at in range(0, len(payload), CHUNK) or (0,):
                await self._push(b"b", bytes(payload[at : at + CHUNK]), fin=False)
        else:
            await self._push(b"j", _encode(payload), fin=False)

    async def finish(self, payload: Any = b"", data: bytes | None = None) -> None:
        """Send the last payload of this side, if there is one, and end the direction.

        ``data`` are bytes that follow it, as with ``send``.
        """
        if data is not None:
            await self._send_both(payload, data, fin=True)
        elif isinstance(payload, bytes | bytearray | memoryview):
            last = max(0, len(payload) - 1) // CHUNK * CHUNK
            if last:
                await self.send(payload[:last])
            await self._push(b"b", bytes(payload[last:]), fin=True)
        else:
            await self._push(b"j", _encode(payload), fin=True)

    async def _send_both(self, payload: Any, data: bytes, *, fin: bool) -> None:
        both = joined(_encode(payload), data)
        if len(both) <= CHUNK:
            await self._push(b"m", both, fin=fin)
            return
        await self.send(payload)
        await (self.finish(data) if fin else self.send(data))

    async def _push(self, kind: bytes, payload: bytes, *, fin: bool) -> None:
        if len(payload) > CHUNK:
            raise LocalProtocolError(f"a payload of {len(payload)} bytes as JSON; send bytes")
        while not self._writes_end() and self._outbox.room() < len(payload):
            self._writable = self._writable or anyio.Event()
            await self._writable.wait()
        if self._error is not None:
            raise self._error
        if self._outbox.closed:
            raise LocalProtocolError("this side of the exchange is finished")
        self._outbox.push("data", kind, payload, fin=fin)
        self.flush()

    def _writes_end(self) -> bool:
        return self._error is not None or self._outbox.closed

    # --- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._whole:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            self._readable = self._readable or anyio.Event()
            await self._readable.wait()
        payload, cost = self._ready.popleft()
        if self._inbox.take(cost) and not self._inbox.ended:
            self._send_credit()
        return payload

    async def receive(self) -> Any:
        """Return the next payload. Raises: ExchangeFailure ``ended``, if there is none."""
        async for payload in self:
            return payload
        raise ExchangeFailure("ended", f"{self.peer} ended the exchange early")


def joined(line: bytes, data: bytes) -> bytes:
    """Return the payload of a frame that carries JSON and bytes behind it."""
    return b"".join((line, b"\n", data))
