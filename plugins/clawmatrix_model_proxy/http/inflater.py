"""Opening compressed bodies, a bounded piece at a time. No I/O."""

from __future__ import annotations

import zlib

from clawmatrix_core import Bound
from clawmatrix_model_proxy.http.reader import BrokenAnswer

__all__ = ["EMPTY", "PIECE", "STEPS", "Inflater"]

PIECE = Bound(
    64 * 1024,
    "bytes that come out of a compressed answer at once: it may grow a thousandfold",
    fed_by="an upstream",
    when_full="the rest is opened after other work had its turn",
)
STEPS = Bound(
    64,
    "parts of a compressed answer that open to nothing, in one go",
    fed_by="an upstream",
    when_full="the rest is opened after other work had its turn",
)
EMPTY = Bound(
    1024 * 1024,
    "bytes of a compressed answer in a row that open to nothing",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
_TAKEN = 4 * 1024
"""Bytes that go in at once: what is left of them is copied each time."""
_GZIP = b"\x1f\x8b"


class Inflater:
    """Opens a body of gzip or zlib; what is left of a piece comes with the next call."""

    def __init__(self) -> None:
        self._inflate = _decompressor()
        self._rest = b""
        self._at = 0  # how much of the rest went in
        self._begun = False
        self._empty = 0

    def __repr__(self) -> str:
        return f"<Inflater {len(self._rest) - self._at} bytes left>"

    def feed(self, data: bytes) -> bytes:
        """Return what comes out; nothing means that more is needed, unless it is ``waiting``.

        Raises: BrokenAnswer.
        """
        if data:
            self._rest, self._at, self._begun = self._rest[self._at :] + data, 0, True
        for _ in range(STEPS if self._begun else 0):
            if not self._is_open():
                break
            if opened := self._next_piece():  # more may come out without more going in
                return opened
            if not self.waiting:
                break
        return b""

    @property
    def waiting(self) -> bool:
        """True while a part of what went in has not been looked at."""
        # One byte does not tell whether another member begins.
        return len(self._rest) - self._at > self._inflate.eof

    def _is_open(self) -> bool:
        """Begin with the next member where one has ended; False where none follows."""
        if not self._inflate.eof:
            return True
        if not self.waiting:
            return False
        if self._rest[self._at : self._at + len(_GZIP)] == _GZIP:
            self._inflate = _decompressor()
            return True
        self._at = len(self._rest)
        return False

    def _next_piece(self) -> bytes:
        taken = self._rest[self._at : self._at + _TAKEN]
        inflate = self._inflate
        try:
            opened = inflate.decompress(taken, PIECE)
        except zlib.error as error:
            raise BrokenAnswer(f"its answer cannot be opened: {error}") from None
        left = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        self._at += len(taken) - len(left)
        self._empty = 0 if opened else self._empty + len(taken) - len(left)
        if self._empty > EMPTY:
            raise BrokenAnswer(f"more than {EMPTY} bytes of it in a row open to nothing")
        return opened

    def end(self) -> None:
        """Note that no more comes. Raises: BrokenAnswer, where the body is not whole."""
        if self._begun and not self._inflate.eof:
            raise BrokenAnswer("its answer is cut off within what is compressed")


def _decompressor() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds out which of them it is
