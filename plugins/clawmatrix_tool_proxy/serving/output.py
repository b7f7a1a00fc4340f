"""What a running tool writes: sent on, counted, and cut where it is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_tool_proxy.wire import Progress

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Exchange

__all__ = ["Output", "cut_result"]

_PROGRESS = 1024


class Output:
    """Sends output to the caller, at most ``most`` bytes of it.

    Attributes:
        sent: bytes that went out.
        dropped: bytes that did not.
    """

    def __init__(self, ex: Exchange, most: int) -> None:
        self._ex, self._most = ex, most
        self._in_order = anyio.Lock(fast_acquire=True)
        self.sent = self.dropped = 0

    async def write(self, data: bytes) -> bool:
        """Send bytes; False once some were dropped. Raises: ExchangeError."""
        async with self._in_order:
            return await self._write(data, errors=False)

    async def write_errors(self, data: bytes) -> bool:
        """Do what ``write`` does, for error output."""
        async with self._in_order:  # a head, and the bytes that it is about, stay together
            return await self._write(data, errors=True)

    async def _write(self, data: bytes, *, errors: bool) -> bool:
        kept = data[: self._most - self.sent]
        self.sent += len(kept)
        self.dropped += len(data) - len(kept)
        if kept and errors:
            await self._ex.send({"stderr": len(kept)}, kept)
        elif kept:
            await self._ex.send(kept)
        return self.dropped == 0

    async def progress(self, text: str, done: float | None, total: float | None) -> None:
        """Send words about how far the call is. Raises: ExchangeError."""
        said = Progress(text[:_PROGRESS], done=done, total=total)
        await self._ex.send(msgspec.to_builtins(said))


def cut_result(result: JSON, most: int) -> tuple[JSON, bytes, int]:
    """Return a result that has ``most`` bytes at most, as JSON and encoded, and what was cut off.

    Of a text the beginning is kept, and of anything else the beginning of its JSON, as a text.
    Raises: TypeError or ValueError, where it is no JSON.
    """
    encoded = msgspec.json.encode(result)
    if len(encoded) <= most:
        return result, encoded, 0
    whole = result.encode() if isinstance(result, str) else encoded
    kept = whole[:most].decode(errors="ignore")
    return kept, msgspec.json.encode(kept), len(whole) - len(kept.encode())
