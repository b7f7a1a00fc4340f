"""Answers to HTTP/1.0, which knows no chunks: one without a length ends with the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["UntilClose"]


class UntilClose(RequestResponseCycle):
    """A request by HTTP/1.0 and its answer. uvicorn would send the answer in chunks."""

    endless = False

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer, as it is."""
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if b"content-length" not in names:
                self.chunked_encoding, self.endless = False, True
        elif self.endless and message["type"] == "http.response.body":
            # uvicorn compares with a length that was told: each part is as long as it is.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
