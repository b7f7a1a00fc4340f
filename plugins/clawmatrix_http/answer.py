"""One answer on its way out, and what takes its place where the request's body is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_http.api import WHOLE_ANSWER
from clawmatrix_http.body import BodyTooLarge
from clawmatrix_http.outgoing import check_head

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Message, Send

    from clawmatrix_http.api import HttpRefusal

__all__ = ["Answer"]


class Answer:
    """What an application sends, passed on to the server.

    Attributes:
        begun: true once status and headers are out.
        ended: true once the last part of the body is out.
        replaced: true where nothing more of the application's own goes out.

    Args:
        send: the server's.
        extra: headers that each answer carries.
    """

    __slots__ = ("_extra", "_send", "begun", "ended", "replaced")

    def __init__(self, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._extra = extra
        self.replaced = False
        self.begun = False
        self.ended = False

    async def replace(self, refusal: HttpRefusal, body: bytes) -> None:
        """Let nothing more of the application out, and a refusal where it has not begun.

        An answer that has begun stays without its end, and the server closes the connection.
        """
        self.replaced = True
        if not self.begun:
            await self.refuse(refusal, body)

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on, once it is awaited.

        Raises: BodyTooLarge, for a stream that was replaced; BadAnswerHead, where its beginning
            could not be sent.
        """
        if not self.replaced:
            return self._pass(message)
        if message.get("more_body"):
            # An application that took the error for its own and streams on would never end.
            raise BodyTooLarge
        return _nothing()

    async def refuse(self, refusal: HttpRefusal, body: bytes) -> None:
        """Send a whole answer: an error, with its body in JSON."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *refusal.headers,
        ]
        status = refusal.status
        await self._pass({"type": "http.response.start", "status": status, "headers": headers})
        await self._pass({"type": "http.response.body", "body": body})

    def _pass(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            check_head(message)
            self.begun = True
            if self._extra:
                message = {**message, "headers": [*message.get("headers", ()), *self._extra]}
        elif message["type"] == WHOLE_ANSWER:
            if self._extra:
                message = {**message, "headers": [*message["headers"], *self._extra]}
            sent = self._send(message)  # which raises now what is wrong with its head
            self.begun = self.ended = True
            return sent
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
        return self._send(message)


async def _nothing() -> None:
    """Send nothing."""
