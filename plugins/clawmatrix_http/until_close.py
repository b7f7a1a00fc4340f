"""Answers to HTTP/1.0, which knows no chunks: one without a length ends with the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_http.cycle import AnswerCycle

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["UntilClose"]


class UntilClose(AnswerCycle):
    """A request by HTTP/1.0 and its answer. uvicorn would send the answer in chunks."""

    endless = False

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Send a part of the answer, as it is, once it is awaited."""
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if b"content-length" not in names:
                self.chunked_encoding, self.endless = False, True
        elif self.endless and message["type"] == "http.response.body":
            # uvicorn compares with a length that was told: each part is as long as it is.
            self.expected_content_length = len(message.get("body", b""))
        return super().send(message)
