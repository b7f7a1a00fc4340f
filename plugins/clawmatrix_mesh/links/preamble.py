"""The line of JSON before the first Noise messages: which protocol versions an end speaks.

It is not secret and, as it comes, not authenticated: the dialling end's goes into the Noise
prologue, and the hellos repeat both ends' versions under seal.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from clawmatrix_core.spi import HandshakeError

__all__ = ["PREAMBLE_LIMIT", "PROTOCOL", "Preamble", "agree", "cut"]

PROTOCOL = (1, 1)
"""The lowest and the highest protocol version this software speaks."""
PREAMBLE_LIMIT = 1024
"""Bytes the line may have, its newline among them."""

_VERSION_MAX = 65535
_INVITE = re.compile("[0-9a-f]{16}")
_ERROR_LIMIT = 64


class Preamble(msgspec.Struct, frozen=True):
    """What one end says first.

    Attributes:
        versions: the lowest and the highest version it speaks.
        use: the version to use, in an answer.
        error: why there is no link, in place of ``use``.
        invite: the id of the invitation that the dialling end comes with.
    """

    versions: tuple[int, int]
    use: int | None = None
    error: str | None = None
    invite: str | None = None

    def encode(self) -> bytes:
        """Return the line, without its newline."""
        value: dict[str, object] = {"clawmatrix": self.versions}
        if self.use is not None:
            value["use"] = self.use
        if self.error is not None:
            value["error"] = self.error
        if self.invite is not None:
            value["invite"] = self.invite
        return msgspec.json.encode(value)

    @classmethod
    def read(cls, line: bytes) -> Preamble:
        """Read a line. Raises: HandshakeError."""
        value = _decode(line)
        match value.get("clawmatrix"):
            case [int(low), int(high)] if _are_versions(low, high):
                versions = (low, high)
            case _:
                raise HandshakeError("a preamble without protocol versions", reason="bad_preamble")
        use, error = value.get("use"), value.get("error")
        if error is not None:
            error = "".join(filter(str.isprintable, str(error)))[:_ERROR_LIMIT]
        invite = value.get("invite")
        if invite is not None and not (isinstance(invite, str) and _INVITE.fullmatch(invite)):
            raise HandshakeError("a preamble with no good invitation", reason="bad_preamble")
        return cls(versions, use if type(use) is int else None, error, invite)


def cut(message: bytes) -> tuple[bytes, bytes]:
    """Return the line and what is behind its newline. Raises: HandshakeError."""
    line, newline, _ = message[:PREAMBLE_LIMIT].partition(b"\n")
    if not newline:
        raise HandshakeError("no preamble: not a ClawMatrix node", reason="bad_preamble")
    return line, message[len(line) + 1 :]


def agree(own: tuple[int, int], offered: tuple[int, int], remote: str) -> int:
    """Return the highest version both speak. Raises: HandshakeError."""
    version = min(own[1], offered[1])
    if version < max(own[0], offered[0]):
        older = "older" if offered[1] < own[0] else "newer"
        raise HandshakeError(
            f"{remote} speaks only {older} versions of the protocol ({_span(offered)}; this node"
            f" speaks {_span(own)}): update the older one",
            reason="version",
        )
    return version


def _are_versions(low: int, high: int) -> bool:
    # True is 1 to Python, but not to others.
    return type(low) is type(high) is int and 0 <= low <= high <= _VERSION_MAX


def _decode(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HandshakeError("a preamble that is not JSON", reason="bad_preamble") from None


def _span(versions: tuple[int, int]) -> str:
    low, high = versions
    return f"{low}" if low == high else f"{low} to {high}"
