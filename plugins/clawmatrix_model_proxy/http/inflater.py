"""Opening compressed bodies, a bounded piece at a time. No I/O."""

from __future__ import annotations

import zlib

from clawmatrix_model_proxy.http.reader import BrokenAnswer

__all__ = ["PIECE", "Inflater"]

PIECE = 1024 * 1024
"""Bytes that come out at once, at most: a body may grow a thousandfold."""
_GZIP = b"\x1f\x8b"


class Inflater:
    """Opens a body of gzip or zlib; what is left of a piece comes with the next call."""

    def __init__(self) -> None:
        self._inflate = _decompressor()
        self._rest = b""
        self._begun = False

    def __repr__(self) -> str:
        return f"<Inflater {len(self._rest)} bytes left>"

    def feed(self, data: bytes) -> bytes:
        """Return what comes out; nothing means that more is needed. Raises: BrokenAnswer."""
        self._rest = self._rest + data if self._rest else data
        self._begun = self._begun or bool(data)
        opened = self._next_piece()
        while not opened and self._rest:  # a member may be empty, and many in a row
            opened = self._next_piece()
        return opened

    def _next_piece(self) -> bytes:
        try:
            opened = self._inflate.decompress(self._rest, PIECE)
            self._rest = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._rest = self._next_member(self._inflate.unused_data)
        except zlib.error as error:
            raise BrokenAnswer(f"its answer cannot be opened: {error}") from None
        return opened

    def _next_member(self, behind: bytes) -> bytes:
        if not behind.startswith(_GZIP):
            return b""
        self._inflate = _decompressor()
        return behind

    def end(self) -> None:
        """Note that no more comes. Raises: BrokenAnswer, where the body is not whole."""
        if self._begun and not self._inflate.eof:
            raise BrokenAnswer("its answer is cut off within what is compressed")


def _decompressor() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds out which of them it is
