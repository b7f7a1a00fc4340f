"""Why a connection between nodes is closed, as the other end is told."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode"]


class CloseCode(IntEnum):
    """Close codes, from the range that WebSocket leaves to applications, and one of its own."""

    NORMAL = 1000
    """The node stops, or no longer wants the link."""
    TRY_AGAIN = 1013
    """Too many connections are in a handshake: dial again later."""
    PROTOCOL = 4000
    """The other end broke the protocol."""
    WRONG_SECRET = 4001
    """The other end does not have this mesh's secret."""
    DEAD = 4002
    """The other end gave no sign of life, or took nothing for too long."""
    VERSION = 4003
    """There is no version of the protocol that both ends speak."""
    TWIN = 4004
    """Another running node has the other end's key."""
    DUPLICATE = 4005
    """There is another link between the two nodes, and that one stays."""
    PIN_CONFLICT = 4006
    """The other end's name belongs to another key here."""
    SELF = 4007
    """The node has dialled itself."""
    SILENT = 4008
    """The other end did not prove itself in time."""
    REVOKED = 4009
    """The other end's key was revoked."""
