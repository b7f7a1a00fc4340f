"""One request and its answer: uvicorn's, with a short way for an answer that is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from clawmatrix_http.api import WHOLE_ANSWER

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["AnswerCycle"]

_send = RequestResponseCycle.send
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection"))
_BODILESS = frozenset((204, 304))


class AnswerCycle(RequestResponseCycle):
    """A request and its answer, which may come as one message: see ``api.WHOLE_ANSWER``."""

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Send a part of the answer, or a whole one, once it is awaited."""
        if message["type"] == WHOLE_ANSWER:
            return self._whole(message["status"], message["headers"], message["body"])
        return _send(self, message)

    async def _whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        lines = self._lines(status, headers)
        if lines is None:
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body})
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"content-length: %d\r\n\r\n" % len(body), body)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(lines))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _lines(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes] | None:
        """Return the lines of a head; None where uvicorn has more to decide about it."""
        if self.response_started or status in _BODILESS or self.scope["method"] == "HEAD":
            return None
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            lower = name.lower()
            if lower in _FRAMING:
                return None
            lines += (lower, b": ", value, b"\r\n")
        return lines
