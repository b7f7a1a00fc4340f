"""When the keys of a session have to be replaced, and when they may be used no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from clawmatrix_core.sessions.session import Session

__all__ = ["Rekeying"]

_LATER = 1.1
"""The delay factor for the node with the greater id: usually only one side begins a new key."""
_END = 2
"""After this many times what a session is good for, it is not used any more."""


@attrs.frozen
class Rekeying:
    """For how long, and for how much, the keys of a session are good.

    A session that is due goes on while its successor is made. One that could not be replaced
    in twice the time, or within twice the bytes, is dropped.

    Attributes:
        seconds: the age of a session at which new keys are made.
        bytes: what it has sealed by then at most, far below what AES-GCM allows for.
        bodies: how many, likewise.
    """

    seconds: float = 1800.0
    bytes: int = 16 * 2**30
    bodies: int = 2**24

    def is_due(self, session: Session, now: float, *, first: bool) -> bool:
        """Return whether a session needs a successor; ``first`` at the end that begins."""
        return self._used(session, now, 1.0 if first else _LATER) >= 1

    def is_over(self, session: Session, now: float) -> bool:
        """Return whether a session is not to be used any more."""
        return self._used(session, now, 1.0) >= _END

    def _used(self, session: Session, now: float, patience: float) -> float:
        return max(
            (now - session.created) / (self.seconds * patience),
            session.sealed_bytes / self.bytes,
            session.sealed / self.bodies,
        )
