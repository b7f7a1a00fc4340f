"""What a connection may send before its other end has proved itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.frames import DATA_OPCODES, CloseCode, Frame
from websockets.protocol import State

from clawmatrix_core import Bound
from clawmatrix_core.spi import Places

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CONTROL_FRAMES",
    "FRAMES",
    "FRAMES_HELD",
    "OPENING",
    "READ",
    "Door",
    "Stranger",
    "Watched",
]

OPENING = Bound(
    64 * 1024,
    "bytes read of a connection: its request, and its messages before a hello",
    fed_by="a stranger",
    when_full="nothing more is read; the connection is closed if that leaves nothing to answer",
)
FRAMES = Bound(
    64,
    "WebSocket frames read of a connection before its other end is proved",
    fed_by="a stranger",
    when_full="the connection is closed",
)
CONTROL_FRAMES = Bound(
    100,
    "WebSocket pings and pongs read of a connection, one after the other",
    fed_by="a member",
    when_full="the connection is closed",
)
FRAMES_HELD = Bound(
    10_000,
    "WebSocket frames of a connection that wait to be taken",
    fed_by="a member",
    when_full="the connection is closed",
)
READ = 4096
"""Bytes that are read of a stranger at once: so many small frames take no noticeable time."""

CROWDED = {
    "too_many_connections": "a connection was closed: there are too many of them",
    "no_descriptor": "a connection waits: the process may open no more files",
    "tls_failed": "a connection was closed: its other end does not speak TLS, or refused it",
}
"""What it means that connections are refused before there is a request."""

_TOO_MUCH = "too much was sent before the handshake was done"


class Door(msgspec.Struct, frozen=True):
    """What a listener has for strangers.

    Attributes:
        places: how many connections there are, and whose.
        refused: told of each that ends before its WebSocket has opened: its other end, a short
            word and a sentence for why.
    """

    places: Places
    refused: Callable[[str, str, str], None]

    @classmethod
    def make(cls, refused: Callable[[str, str, str], None]) -> Door:
        """Return one for as many connections as the bounds say."""

        def crowded(source: str, reason: str) -> None:
            refused(f"{source}:0", reason, CROWDED[reason])

        return cls(Places(crowded), refused)

    def admit(self, descriptor: int, remote: str) -> Callable[[], None] | None:
        """Count a connection that has opened for where it comes from, behind proxies too.

        Returns what to call once its other end has proved itself; None where it has no place.
        """
        place = self.places.find(descriptor)
        if place is None:
            return None
        self.places.move(place, Places.source_of(remote))
        return partial(self.places.prove, place)


class Stranger:
    """Counts what a connection sends until its other end has proved itself.

    Attributes:
        left: bytes that it may still send.
        read: bytes that it has sent.
    """

    def __init__(self) -> None:
        self.left: int = OPENING
        self.read = 0
        self._frames = 0
        self._waiting = 0

    @property
    def stuck(self) -> bool:
        """Whether it may send no more, and there is no whole message to take."""
        return self.left <= 0 and self._waiting <= 0

    def add(self, size: int) -> None:
        """Count bytes that came in."""
        self.read += size
        self.left -= size

    def add_frame(self, frame: Frame) -> bool:
        """Count a frame, and say whether it is one too many."""
        self._frames += 1
        if frame.fin and frame.opcode in DATA_OPCODES:
            self._waiting += 1
        return self._frames > FRAMES

    def take(self) -> None:
        """Count a message that was taken."""
        self._waiting -= 1


if TYPE_CHECKING:

    class _Library:
        """What a connection of the library has, under both event loops."""

        protocol: Any
        recv_messages: Any
        request: Any

        def process_event(self, event: Any) -> None:
            """Take what came in."""

else:
    _Library = object


class Watched(_Library):
    """Mixed into a connection of the library: closes it where it sends what nobody needs.

    Attributes:
        stranger: counts for the other end, None once that has proved itself.
    """

    stranger: Stranger | None = None
    _control = 0

    def fail(self, code: int, reason: str) -> None:
        """Close the connection, telling the other end why where that is possible.

        The connection of each event loop implements it in its own way.
        """
        raise NotImplementedError

    def process_event(self, event: Any) -> None:
        """Take a frame; see the library."""
        if not isinstance(event, Frame):
            super().process_event(event)
        elif self.stranger is not None and self.stranger.add_frame(event):
            self.fail(CloseCode.PROTOCOL_ERROR, "too many frames before the handshake was done")
        elif event.opcode in DATA_OPCODES:
            self._control = 0
            self.recv_messages.put(event)
        else:
            self._control += 1
            if self._control > CONTROL_FRAMES:
                self.fail(CloseCode.PROTOCOL_ERROR, "too many pings and pongs")
            else:
                super().process_event(event)

    def refuse(self) -> None:
        """Close the connection of a stranger that has sent all it may."""
        self.fail(CloseCode.MESSAGE_TOO_BIG, _TOO_MUCH)

    def tell_unopened(self, door: Door, remote: str, *, ended: bool) -> None:
        """Say why a connection never opened; ``ended`` where the other end hung up."""
        stranger = self.stranger
        opened = self.request is not None and self.protocol.state is not State.CONNECTING
        if stranger is None or opened:
            return
        if stranger.left <= 0:
            what = "a request without an end" if self.request is None else "too much with a request"
            door.refused(remote, "too_large", f"{remote} sent {what}")
        elif self.request is None and not ended and not _is_malformed(self.protocol.handshake_exc):
            # Who hung up only looked whether somebody listens; other words count bad requests.
            door.refused(remote, "silent", f"{remote} sent no request in time")


def _is_malformed(error: Exception | None) -> bool:
    return error is not None and not isinstance(error.__cause__, EOFError)
