"""Lines put together from the bytes of a pipe, each of a bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mcp.mounting.metering import LINE, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lines", "Words"]


class Lines:
    """The lines of a server's output, which are its messages."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that end in these bytes. Raises: ServerFailed, for one too long."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            if len(self._held) + len(part) > LINE:
                raise _too_long()
            line = bytes(self._held + part) if self._held else part
            self._held.clear()
            if line := line.strip():
                yield line
        if len(self._held) + len(rest) > LINE:
            raise _too_long()
        self._held += rest


def _too_long() -> ServerFailed:
    return ServerFailed(f"it sent a message of more than {LINE} bytes")


class Words:
    """The lines of a server's error output, cut to what the log shows, without what draws."""

    MOST = 500

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that end in these bytes."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            if line := _printable(self._held + part[: self.MOST]):
                yield line
            self._held = b""
        self._held = (self._held + rest[: self.MOST])[: self.MOST]

    def rest(self) -> Iterator[str]:
        """Yield what did not end."""
        if line := _printable(self._held):
            yield line


def _printable(data: bytes) -> str:
    text = data[: Words.MOST].decode(errors="replace").strip()
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
