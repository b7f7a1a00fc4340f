"""Messages between a node and a guard: four bytes of length, then JSON."""

from __future__ import annotations

import json
import struct
from typing import Any

__all__ = ["MOST_BYTES", "Message", "MessageReader", "pack"]

Message = dict[str, Any]  # JSON at the wire

# A job names arguments and environment, which the kernel holds to 2 MiB by itself.
MOST_BYTES = 4 * 1024**2
_LENGTH = struct.Struct("!I")


def pack(message: Message) -> bytes:
    """Return a message as bytes. Raises: ValueError, where it is longer than ``MOST_BYTES``."""
    body = json.dumps(message).encode()
    if len(body) > MOST_BYTES:
        raise ValueError(f"the message is {len(body)} bytes long, and {MOST_BYTES} is the most")
    return _LENGTH.pack(len(body)) + body


class MessageReader:
    """Puts messages together from the bytes of a pipe."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that end in these bytes.

        Raises: ValueError, where a message is too long or is no JSON object.
        """
        self._held += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if len(self._held) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._held)
        if length > MOST_BYTES:
            raise ValueError(f"a message of {length} bytes, and {MOST_BYTES} is the most")
        end = _LENGTH.size + length
        if len(self._held) < end:
            return None
        message = json.loads(bytes(self._held[_LENGTH.size : end]))
        del self._held[:end]
        if not isinstance(message, dict):
            raise ValueError("a message that is no JSON object")
        return message
