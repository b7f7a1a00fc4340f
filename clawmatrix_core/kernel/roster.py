"""What changes in a node when a member's record does: sessions, exchanges, routes, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspecs
from clawmatrix_core.members.directory import Accepted
from clawmatrix_core.wire.close_codes import CloseCode

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.events import Events
    from clawmatrix_core.kernel.routing import Routing
    from clawmatrix_core.kernel.stack import Stack
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.record import NodeRecord, SignedRecord

__all__ = ["Roster"]


class Roster:
    """Takes records into the directory, and sees to what follows from them."""

    def __init__(
        self, directory: Directory, stack: Stack, routing: Routing, events: Events
    ) -> None:
        self._directory = directory
        self._stack = stack
        self._routing = routing
        self._events = events

    def accept(self, signed: SignedRecord, *, proven: bool = False) -> Accepted:
        """Take a member's record; see ``Directory.accept``. Raises: RemoteProtocolError."""
        outcome, record = self._directory.accept(signed, proven=proven)
        if outcome is Accepted.NEWER:
            self._changed(record)
        return outcome

    def put_own(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self._directory.put_own(record, signed)
        self._changed(record)

    def _changed(self, record: NodeRecord) -> None:
        name = record.node_id
        link = self._stack.ways.links.get(name)
        if link is not None and link.closing is None and link.instance != record.instance:
            pass  # hearsay of another run does not end what is said on an open link
        elif name != self._stack.local.node_id:
            self._stack.forget_run(name, record.instance, record.sign_key_bytes())
        self._routing.changed()
        peer = self._directory.get(name)
        if peer is not None:
            self._events.emit(hookspecs.peer_changed, peer=peer)

    def expel(self, key: bytes) -> list[NodeId]:
        """Drop the members with a key that was revoked; return their names."""
        found = sorted({*self._directory.with_key(key), *self._stack.sessions.with_key(key)})
        for name in found:
            link = self._stack.ways.links.get(name)
            if link is not None:
                link.close(f"{name} was revoked", CloseCode.REVOKED)
            self._directory.forget(name)
            self._stack.expel(name)
        self._routing.changed()
        return found
