"""What one server may send: how long a message is, how many come in a second, what it asks us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_core import Bound
from clawmatrix_core.spi import Rate
from clawmatrix_tool_proxy.api import marks_in

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BYTES",
    "ERRORS",
    "LINE",
    "MESSAGES",
    "UNANSWERED",
    "VALUES",
    "Meter",
    "ServerFailed",
    "check_values",
]

LINE = Bound(
    16 * 1024**2,
    "bytes of one message of a mounted MCP server",
    fed_by="an upstream",
    when_full="the server is ended, and started again",
)
VALUES = Bound(
    128 * 1024,
    "values in one message of a mounted MCP server",
    fed_by="an upstream",
    when_full="the server is ended, and started again; the message is not decoded",
)
MESSAGES = Bound(
    1000,
    "messages that are read from one mounted MCP server in a second",
    fed_by="an upstream",
    when_full="it is read more slowly",
)
BYTES = Bound(
    8 * 1024**2,
    "bytes that are read from one mounted MCP server in a second, and 64 for each value in them",
    fed_by="an upstream",
    when_full="it is read more slowly",
)
ERRORS = Bound(
    1024**2,
    "bytes that are read of the error output of one mounted MCP server in a second",
    fed_by="an upstream",
    when_full="it is read more slowly",
)
UNANSWERED = Bound(
    64,
    "requests of one mounted MCP server that it has not taken the answers of",
    fed_by="an upstream",
    when_full="the server is ended, and started again",
)
_VALUE: Final = 64
"""Bytes that decoding a value is counted as."""


class ServerFailed(Exception):
    """A server did what it must not do, or cannot be reached; the text says what."""


def check_values(data: bytes) -> int:
    """Return what a message takes of ``BYTES``.

    Raises: ServerFailed, where it has too many values to be decoded.
    """
    found = marks_in(data, VALUES)
    if found > VALUES:
        raise ServerFailed(f"it sent a message of more than {VALUES} values")
    return len(data) + _VALUE * found


class Meter:
    """Counts what one server sends."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rate, self._bytes = Rate(MESSAGES, BYTES), Rate(None, BYTES)
        self._errors = Rate(None, ERRORS)
        self._asked = 0

    def message(self, size: int) -> float:
        """Count a message; return for how many seconds to wait before the next is read."""
        return self._rate.spend(self._now(), size)

    def bytes(self, size: int) -> float:
        """Count bytes of no whole message; return what ``message`` does."""
        return self._bytes.spend(self._now(), size)

    def errors(self, size: int) -> float:
        """Count bytes of its error output; return what ``message`` does."""
        return self._errors.spend(self._now(), size)

    def asks(self) -> None:
        """Count a request of the server. Raises: ServerFailed, for too many without answers."""
        self._asked += 1
        if self._asked > UNANSWERED:
            raise ServerFailed("it sends requests, and does not read the answers")

    def answered(self) -> None:
        """Count an answer to one of its requests."""
        self._asked -= 1
