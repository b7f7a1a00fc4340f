"""The bodies of an HTTP server's answers, held to what one message may be."""

from __future__ import annotations

import re
from typing import Final

from clawmatrix_mcp.mounting.metering import LINE, ServerFailed, check_values

__all__ = ["Body"]

_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)")
"""What ends an event: the end of a line, and an empty line."""
_LONGEST: Final = 4
"""Bytes that it has at most."""


class Body:
    """One body: a message, or events that have one message each.

    A message is looked at when it is whole, which is before anybody decodes it.

    Args:
        events: whether it has events, which may go on for ever.
    """

    def __init__(self, *, events: bool) -> None:
        self._events = events
        self._held = bytearray()

    def take(self, part: bytes) -> int:
        """Take a part of it; return what the messages that end in it take of ``BYTES``.

        Raises: ServerFailed, where a message is too large.
        """
        cost = 0
        seen = max(0, len(self._held) - _LONGEST)
        self._held += part
        if self._events and (ends := [found.end() for found in _END.finditer(self._held, seen)]):
            whole = bytes(self._held[: ends[-1]])
            cost = sum(check_values(event) for event in _END.split(whole))
            del self._held[: ends[-1]]
        if len(self._held) > LINE:
            raise ServerFailed(f"it sent a message of more than {LINE} bytes")
        return cost

    def end(self) -> int:
        """Take its end, and do what ``take`` does."""
        return check_values(bytes(self._held))
