"""The bytes of messages and of a close on a stream: a kind, a length of four bytes, a body."""

from __future__ import annotations

import attrs

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.wire.codec import MESSAGE_LIMIT

__all__ = ["Incoming", "UnreadableError", "close_frame", "message_frame"]

MESSAGE = Bound(
    MESSAGE_LIMIT,
    "bytes of one message over a stream socket",
    fed_by="a stranger",
    when_full="the connection is closed with code 1009 before the message is read",
)
REASON = Bound(
    123,
    "bytes of the reason for a close of a stream socket",
    fed_by="a stranger",
    when_full="the connection is closed as one that cannot be read",
)

_MESSAGE, _CLOSE = b"m", b"c"
_HEAD = 5
_CODE = 2
_TOO_LARGE = 1009
_PROTOCOL_ERROR = 1002


class UnreadableError(Exception):
    """What arrived cannot be taken. ``code`` is the close code that says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@attrs.frozen
class Closed:
    """The other end has closed."""

    code: int
    reason: str


def message_frame(message: bytes) -> bytes:
    """Return the bytes of a message."""
    return _MESSAGE + len(message).to_bytes(4) + message


def close_frame(code: int, reason: str) -> bytes:
    """Return the bytes of a close. A reason that is too long is cut between two characters."""
    text = reason.encode()[:REASON].decode(errors="ignore").encode()
    return _CLOSE + (_CODE + len(text)).to_bytes(4) + code.to_bytes(_CODE) + text


class Incoming:
    """Bytes that arrived, to be taken out as messages.

    Attributes:
        limit: bytes that a message may have.
    """

    def __init__(self) -> None:
        self.limit: int = MESSAGE
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived."""
        self._held += data

    def take(self) -> bytes | Closed | None:
        """Return the next message or close, None where it is not there as a whole yet.

        Raises: UnreadableError.
        """
        if len(self._held) < _HEAD:
            return None
        kind, size = bytes(self._held[:1]), int.from_bytes(self._held[1:_HEAD])
        self._check(kind, size)
        if len(self._held) < (end := _HEAD + size):
            return None
        body = bytes(memoryview(self._held)[_HEAD:end])
        del self._held[:end]
        if kind == _MESSAGE:
            return body
        reason = body[_CODE:].decode(errors="replace")
        return Closed(int.from_bytes(body[:_CODE]), "".join(filter(str.isprintable, reason)))

    def _check(self, kind: bytes, size: int) -> None:
        if kind == _MESSAGE:
            if size > self.limit:
                raise UnreadableError(_TOO_LARGE, "a message is too large")
        elif kind != _CLOSE or not _CODE <= size <= _CODE + REASON:
            raise UnreadableError(_PROTOCOL_ERROR, "the other end sent what is no message")
