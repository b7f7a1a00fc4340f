"""One request and its answer: uvicorn's, with a short way for an answer that is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from clawmatrix_http.api import WHOLE_ANSWER
from clawmatrix_http.outgoing import check_head, lines_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["AnswerCycle"]

_send = RequestResponseCycle.send
_WITHOUT_BODY = frozenset((204, 304))


class AnswerCycle(RequestResponseCycle):
    """A request and its answer, which may come as one message: see ``api.WHOLE_ANSWER``."""

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Send a part of the answer, or a whole one, once it is awaited.

        Raises: BadAnswerHead, for a whole one whose head cannot be sent: at once.
        """
        if message["type"] != WHOLE_ANSWER:
            return _send(self, message)
        status = message["status"]
        line = STATUS_LINE.get(status)
        if line is None or status < 200 or status in _WITHOUT_BODY or self.response_started:
            return self._parts(message)
        lines = lines_of(message["headers"])
        if lines is None or self.scope["method"] == "HEAD":
            return self._parts(message)
        return self._whole(line, lines, message["body"])

    def _parts(self, message: Any) -> Coroutine[Any, Any, None]:
        check_head(message)
        return self._send_parts({**message, "type": "http.response.start"}, message["body"])

    async def _send_parts(self, start: Any, body: bytes) -> None:
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    async def _whole(self, line: bytes, lines: list[bytes], body: bytes) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        end = b"content-length: %d\r\n\r\n" if self.keep_alive else _LAST
        lines += (end % len(body), body)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(line + b"".join(lines))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


_LAST = b"connection: close\r\ncontent-length: %d\r\n\r\n"
