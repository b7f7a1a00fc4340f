"""Listens to every message on the network, and knows what must never be heard there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.sessions.session import SEAL_OVERHEAD
from clawmatrix_core.sessions.sessions import OPENING_TYPES

if TYPE_CHECKING:
    from clawmatrix_core.wire.codec import Header, Wire

__all__ = ["MARK", "Wiretap"]

MARK = "between ourselves"
"""Words that all traffic has in it, and that nobody may read on its way."""


class Wiretap:
    """Everything that was said on the network, as its keeper hears it.

    Attributes:
        wrong: what should not have been heard.
        frames: how many messages went by, on each of their hops.
        sessions: under how many sessions there were bodies.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.frames = 0
        self._sealed: dict[tuple[str, bytes], bytes] = {}

    @property
    def sessions(self) -> int:
        """Under how many sessions bodies were heard."""
        return len({place[:8] for _, place in self._sealed})

    def forget(self) -> None:
        """Forget which counters were used so far, to have room for those to come."""
        self._sealed.clear()

    def hear(self, message: bytes, frame: tuple[Wire, Header] | None) -> None:
        """Take a message in, and what it is as a frame, if it is one."""
        self.frames += 1
        if MARK.encode() in message:
            self.wrong.append("a payload could be read on the network")
        if frame is None:
            return  # of a handshake
        wire, header = frame
        if header.body == "sealed":
            self._hear_sealed(header, wire)
        elif header.type not in OPENING_TYPES:
            self.wrong.append(f"a {header.type} frame of {header.source} was not sealed")

    def _hear_sealed(self, header: Header, wire: Wire) -> None:
        """Hold a body against an earlier one of the same session and counter: never another."""
        body = wire.body
        if len(body) < SEAL_OVERHEAD:
            self.wrong.append(f"a body of {len(body)} bytes by {header.source}")
            return
        place, tag = body[:16], body[-16:]
        if self._sealed.setdefault((header.source, place), tag) != tag:
            number = int.from_bytes(place[8:], "big")
            self.wrong.append(f"{header.source} used counter {number} of a session twice")
