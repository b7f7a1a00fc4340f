"""Bodies of requests that are compressed, opened a bounded piece at a time.

A compressed body may grow a thousandfold. What comes out is counted like the bytes of any other
body, by ``limited``, before the next piece is opened.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive

__all__ = ["PIECE", "BadBody", "BodyInflater", "inflated"]

PIECE = Bound(
    64 * 1024,
    "bytes that come out of a compressed request at once",
    fed_by="a client",
    when_full="the rest is opened after other work had its turn",
)
_GZIP = b"\x1f\x8b"
_NAMES = {b"gzip": True, b"x-gzip": True, b"deflate": False}


class BadBody(Exception):
    """A compressed body that cannot be opened."""


class BodyInflater:
    """Opens one body."""

    def __init__(self, encoding: bytes) -> None:
        """Make one for a body with an encoding that ``knows`` knows."""
        self._gzip = _NAMES[encoding.lower()]
        self._inflate: zlib._Decompress | None = None
        self._rest = b""

    @staticmethod
    def knows(encoding: bytes) -> bool:
        """Say whether a body of an encoding can be opened."""
        return encoding.lower() in _NAMES

    def feed(self, data: bytes) -> None:
        """Take more of the body in."""
        self._rest += data

    def piece(self) -> bytes:
        """Return the next bytes of what is in the body; none where more has to come.

        Raises: BadBody.
        """
        if not self._begin():
            return b""
        assert self._inflate is not None
        try:
            opened = self._inflate.decompress(self._rest, PIECE)
        except zlib.error as error:
            raise BadBody(str(error)) from None
        ended = self._inflate.eof
        self._rest = self._inflate.unused_data if ended else self._inflate.unconsumed_tail
        return opened

    @property
    def waiting(self) -> bool:
        """True while there are bytes that can be opened without more."""
        if self._inflate is None:
            return len(self._rest) >= len(_GZIP)
        return bool(self._rest) and not self._is_over()

    @property
    def whole(self) -> bool:
        """True where the body has its end, or there is nothing at all."""
        return not self._rest if self._inflate is None else self._inflate.eof

    def _is_over(self) -> bool:
        """Say whether what follows is no part of the body: another member of gzip may follow."""
        assert self._inflate is not None
        return self._inflate.eof and not (self._gzip and self._rest.startswith(_GZIP))

    def _begin(self) -> bool:
        """Begin with a body, or with its next member; False where there is nothing to open."""
        if self._inflate is not None and not self._inflate.eof:
            return True
        if len(self._rest) < len(_GZIP) or (self._inflate is not None and self._is_over()):
            return False
        self._inflate = zlib.decompressobj(wbits=self._window())
        return True

    def _window(self) -> int:
        if self._gzip:
            return zlib.MAX_WBITS | 16
        # There are clients that send deflate without the head of zlib, which the name means.
        headed = self._rest[0] & 15 == 8 and int.from_bytes(self._rest[:2], "big") % 31 == 0
        return zlib.MAX_WBITS if headed else -zlib.MAX_WBITS


def inflated(receive: Receive, encoding: bytes, bad: Callable[[str], Awaitable[None]]) -> Receive:
    """Return a ``receive`` that gives what is in a compressed body.

    Args:
        receive: the server's.
        encoding: what the body is compressed with.
        bad: awaited with the reason before ``BadBody`` is raised.
    """
    inflater = BodyInflater(encoding)
    ended = told = False

    async def opened() -> Message:
        nonlocal ended, told
        while not told:
            if not inflater.waiting and not ended:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                inflater.feed(message.get("body", b""))
                ended = not message.get("more_body", False)
            try:
                piece = inflater.piece()
            except BadBody as error:
                await bad(str(error))
                raise
            if piece:
                await checkpoint()
                return {"type": "http.request", "body": piece, "more_body": True}
            if ended and not inflater.waiting:
                if not inflater.whole:
                    await bad("it is cut off")
                    raise BadBody
                told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await checkpoint()
        return await receive()

    return opened
