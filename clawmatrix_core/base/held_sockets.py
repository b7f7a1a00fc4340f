"""A listening socket that gives each connection it accepts a place, or closes it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.places import source_of

if TYPE_CHECKING:
    from clawmatrix_core.base.places import Places

__all__ = ["HeldListener"]

_AT_ONCE = 64
"""Connections that one call refuses at most: others on the loop have their turn."""
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class _Held(socket.socket):
    """An accepted socket, whose place is free once it is closed."""

    def __init__(self, accepted: socket.socket, places: Places) -> None:
        kind = accepted.family, accepted.type, accepted.proto
        super().__init__(*kind, fileno=accepted.detach())
        self._places = places

    def close(self) -> None:
        """Close it."""
        descriptor = self.fileno()
        super().close()
        if descriptor >= 0:
            self._places.leave(descriptor)

    def cut(self) -> None:
        """End the connection; whoever has the socket notices, and closes it."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class HeldListener(socket.socket):
    """A listening socket in the place of another one, which it takes over.

    An event loop accepts from it as from any other.
    """

    def __init__(self, listening: socket.socket, places: Places) -> None:
        kind = listening.family, listening.type, listening.proto
        super().__init__(*kind, fileno=listening.detach())
        self.setblocking(False)
        self._places = places
        self._resting = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection that gets a place. Raises: BlockingIOError; OSError."""
        if self._resting:
            # asyncio goes on to accept after it planned its rest, up to Python 3.12.
            self._resting = False
            raise BlockingIOError(errno.EAGAIN, "no descriptor is free")
        for _ in range(_AT_ONCE):
            accepted, name = self._next()
            held = _Held(accepted, self._places)
            if self._places.enter(held.fileno(), _source(name), held.cut) is not None:
                return held, name
            held.close()
        raise BlockingIOError(errno.EAGAIN, "others have their turn")

    def _next(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            self._resting = error.errno in _NO_DESCRIPTOR
            raise


def _source(name: Any) -> str:
    return source_of(f"{name[0]}:{name[1]}") if name else ""
