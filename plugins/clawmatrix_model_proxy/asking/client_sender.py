"""Sends one answer to the client: at once, or held back for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_http.api import WHOLE_ANSWER
from clawmatrix_model_proxy.hold import LIVE, Hold
from clawmatrix_model_proxy.streams.failures import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Send

    from clawmatrix_core.spi import ByteBudget

__all__ = ["KEEP_ALIVE", "ClientSender", "HeldTooMuch", "RawHeaders"]

RawHeaders = list[tuple[bytes, bytes]]

KEEP_ALIVE = b": keep-alive\n\n"
_EVENTS: RawHeaders = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class HeldTooMuch(Exception):
    """More would have to be kept back than is allowed."""


class ClientSender:
    """Sends one answer. What it holds back of an attempt that failed can be dropped.

    Attributes:
        started: the status has been sent; only a keep-alive sends it before an answer's part.
        first, last: the beginning of the answer, and the last bytes of it, that were sent.
        released: a part of an answer has been sent, so that there can be no other answer.
        begun: a part of the present attempt's answer has come.
        counted: counts the bytes that are held back of the present attempt's answer.
    """

    def __init__(
        self,
        send: Send,
        now: Callable[[], float],
        *,
        hold: Hold = LIVE,
        limit: int = 1 << 26,
        takes_whole: bool = False,
    ) -> None:
        """Make one; ``takes_whole`` says that a whole answer may go out as one message."""
        self.started = self.released = self.begun = False
        self._send = send
        self._now = now
        self._hold = hold
        self._limit = limit
        self._takes_whole = takes_whole
        self._held: list[bytes] = []
        self._size = self._tokens = 0
        self._since: float | None = None
        self._head: tuple[int, RawHeaders] = (200, _EVENTS)
        self._sent_at = now()
        self._busy = self._ended = False
        self.first = self.last = b""
        self.counted: ByteBudget.Held | None = None

    def open(self, status: int, headers: RawHeaders) -> None:
        """Set how the answer of this attempt begins. Nothing is sent yet."""
        self._head = (status, headers)

    async def write(self, data: bytes) -> None:
        """Send, or hold back, a part of the answer. Raises: HeldTooMuch, ByteBudget.Exceeded."""
        self.begun = True
        if self.released or self._hold.live:
            await self._release(data)
            return
        self._since = self._now() if self._since is None else self._since
        if self.counted is not None:
            self.counted.add(len(data))
        self._held.append(data)
        self._size += len(data)
        self._tokens += data.count(b"data:")
        if self._size > self._limit:
            raise HeldTooMuch
        await self.tick()

    async def tick(self) -> None:
        """Let out what has been held for long enough."""
        hold, since = self._hold, self._since
        if self.released or since is None or hold.whole or self._busy or self._ended:
            return
        late = bool(hold.seconds) and self._now() - since >= hold.seconds
        if late or (hold.tokens and self._tokens >= hold.tokens):
            await self._release()

    async def finish(self, rest: bytes = b"") -> None:
        """Send what is left, and end the answer."""
        self._held.append(rest)
        self.released = True
        await self._put(self._take(), more=False)

    async def whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send an answer of which nothing has been sent or held back, and end it."""
        if self.started or not self._takes_whole:
            self.open(status, [*headers, (b"content-length", b"%d" % len(body))])
            await self.finish(body)
            return
        self.released = self.started = self._busy = self._ended = True
        try:
            await self._send(
                {"type": WHOLE_ANSWER, "status": status, "headers": headers, "body": body}
            )
        finally:
            self._busy = False
            self._sent_at = self._now()

    def discard(self) -> None:
        """Drop what was held of an attempt that failed."""
        self._held.clear()
        self._size = self._tokens = 0
        self._since = None
        self.begun = False

    async def keep_alive(self, after: float) -> None:
        """Send a comment where the client has heard nothing for this many seconds."""
        if not self._busy and not self._ended and self._now() - self._sent_at >= after:
            if not self.started:
                self._head = (200, _EVENTS)
            await self._put(KEEP_ALIVE, more=True)

    async def fail(self, status: int, headers: RawHeaders, body: bytes, event: bytes) -> None:
        """End with an error: an HTTP one where that is possible, else the event."""
        self.discard()
        if self.started:
            await self._put(event, more=False)
            return
        length = (b"content-length", b"%d" % len(body))
        self.open(status, [(b"content-type", b"application/json"), length, *headers])
        await self._put(body, more=False)

    async def _release(self, data: bytes = b"") -> None:
        self._held.append(data)
        self.released = True
        if taken := self._take():
            self.first = self.first or taken[:FIRST]
            self.last = taken
            await self._put(taken, more=True)
        if self.counted is not None:
            self.counted.let_go()
            self.counted = None

    def _take(self) -> bytes:
        held, self._held = self._held, []
        self._size = 0
        return held[0] if len(held) == 1 else b"".join(held)

    async def _put(self, data: bytes, *, more: bool) -> None:
        self._busy = True
        self._ended = not more
        try:
            if not self.started:
                self.started = True
                status, headers = self._head
                start = {"type": "http.response.start", "status": status, "headers": headers}
                await self._send(start)
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            self._busy = False
            self._sent_at = self._now()
