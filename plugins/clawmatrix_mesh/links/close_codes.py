"""Why a connection is refused: the close codes, and the words for them at both ends.

A reason is a short word. It is counted, it decides how soon to dial again, and it has a
close code if the other end can do something about it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from clawmatrix_core.spi import CloseCode, HandshakeError

if TYPE_CHECKING:
    from clawmatrix_core import ConnectionLost

__all__ = ["InviteCloseCode", "close_code", "lost_early", "lost_reason"]


class InviteCloseCode(IntEnum):
    """Close codes for connections that come with an invitation, beside those of the core."""

    INVITE_UNKNOWN = 4010
    """There is no such invitation, or the other end does not have its secret."""
    INVITE_USED = 4011
    """The invitation was used already."""
    INVITE_EXPIRED = 4012
    """The invitation is too old."""
    INVITE_NAME = 4013
    """The invitation was made for a node of another name."""


_CODES: dict[str, int] = {
    "wrong_secret": CloseCode.WRONG_SECRET,
    "version": CloseCode.VERSION,
    "twin": CloseCode.TWIN,
    "duplicate": CloseCode.DUPLICATE,
    "pin_conflict": CloseCode.PIN_CONFLICT,
    "self": CloseCode.SELF,
    "silent": CloseCode.SILENT,
    "revoked": CloseCode.REVOKED,
    "too_many_handshakes": CloseCode.TRY_AGAIN,
    "invite_rate": CloseCode.TRY_AGAIN,
    "invite_unknown": InviteCloseCode.INVITE_UNKNOWN,
    "invite_wrong": InviteCloseCode.INVITE_UNKNOWN,
    "invite_used": InviteCloseCode.INVITE_USED,
    "invite_expired": InviteCloseCode.INVITE_EXPIRED,
    "invite_name": InviteCloseCode.INVITE_NAME,
}

_TOLD: dict[int, tuple[str, str]] = {
    CloseCode.TRY_AGAIN: ("busy", "{} has too many handshakes going on; it is dialled again"),
    CloseCode.WRONG_SECRET: ("wrong_secret", "{} has another secret than this node"),
    CloseCode.VERSION: ("version", "{} speaks no version of the protocol that this node speaks"),
    CloseCode.TWIN: (
        "twin",
        "{} has a link to another running node with this node's key: a copy of its state folder?",
    ),
    CloseCode.DUPLICATE: ("duplicate", "{} has a link to this node already"),
    CloseCode.PIN_CONFLICT: (
        "key_refused",
        "{} knows another key under this node's name: see `clawmatrix trust list` there",
    ),
    CloseCode.SELF: ("self", "{} is this node itself"),
    CloseCode.REVOKED: ("revoked", "{} refuses this node's key: it was revoked"),
    InviteCloseCode.INVITE_UNKNOWN: ("invite_unknown", "{} does not know this invitation"),
    InviteCloseCode.INVITE_USED: ("invite_used", "{} says that this invitation was used already"),
    InviteCloseCode.INVITE_EXPIRED: ("invite_expired", "{} says that this invitation is too old"),
    InviteCloseCode.INVITE_NAME: (
        "invite_name",
        "{} made this invitation for a node of another name",
    ),
    CloseCode.SILENT: ("silent", "{} did not get this node's handshake in time"),
}

_LOST = {1002: "bad_websocket", 1003: "text_message", 1007: "bad_websocket", 1009: "too_large"}
"""WebSocket's own close codes for what no ClawMatrix node does."""
_UNEXPLAINED = (None, 1000, 1001, 1006)
"""Close codes that say nothing of the handshake: a node that stops, a lost connection."""


def close_code(reason: str) -> int:
    """Return the close code that tells the other end why it is refused."""
    return _CODES.get(reason, CloseCode.PROTOCOL)


def lost_early(remote: str, lost: ConnectionLost, *, dialled: bool) -> HandshakeError:
    """Return why a connection ended in the middle of the handshake."""
    misbehaved = lost_reason(lost.code)
    if misbehaved is not None or not dialled:
        reason = misbehaved or "handshake_lost"
        return HandshakeError(f"{remote} left its handshake: {lost}", reason=reason)
    if lost.code is not None and lost.code in _TOLD:
        reason, text = _TOLD[lost.code]
        return HandshakeError(text.format(remote), reason=reason)
    reason = "handshake_lost" if lost.code in _UNEXPLAINED else "refused"
    return HandshakeError(f"{remote} ended the handshake: {lost}", reason=reason)


def lost_reason(code: int | None) -> str | None:
    """Return the reason to count, where a connection ended because its other end misbehaved."""
    return None if code is None else _LOST.get(code)
