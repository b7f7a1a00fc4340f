"""Revocations over the mesh: made here, passed on, and acted on.

A frame ``revocations`` between neighbours has revocations that are ``new``, or words for
those that this node has (``have``), which is answered with what is lacking there. It is
sent only to nodes whose record lists the feature.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core import NodeId, RateLimitedLogger, RemoteProtocolError, StateError
from clawmatrix_core.spi import Bell, SignedRevocation
from clawmatrix_mesh.members.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Link, Node

__all__ = ["REVOCATIONS", "Revoking"]

REVOCATIONS = "revocations"
"""The feature, and the frame."""

_BATCH = 64
"""Revocations in one frame."""
_BURST, _REFILL = 1024, 64.0
"""Revocations of one neighbour that are read at once, and in a second after that."""
_WAITING_GAP = 10.0
"""Seconds between two lines in the log on revocations that wait."""
_WRITE_GAP = 1.0
"""Seconds between two writes of what others said, which comes again where it was lost."""


class Revoking:
    """Spreads revocations, and expels the members that they are about."""

    def __init__(self, node: Node, let_in: Callable[[], None]) -> None:
        """Make one; ``let_in`` is called where keys may come in again."""
        self._node = node
        self._let_in = let_in
        self._differing: set[NodeId] = set()  # neighbours that differed when they last told
        self._listeners: list[Callable[[NodeId], None]] = []
        self._pace = Pace(_BURST, _REFILL, node.clock.now)
        self._written = float("-inf")
        self._unwritten = False
        self._bell = Bell()
        self._waiting_log = RateLimitedLogger(
            node.logger("mesh"), seconds=_WAITING_GAP, clock=node.clock.now
        )

    async def run(self) -> None:
        """Write what others said, now and then, until cancelled."""
        try:
            while True:
                if not self._unwritten:
                    await self._bell.wait()
                await anyio.sleep(_WRITE_GAP)
                self._write()
        finally:
            if self._unwritten:
                self._write()

    def _write(self) -> None:
        self._written = self._node.clock.now()
        try:
            self._node.revocations.flush()
            self._unwritten = False
        except StateError as error:
            self._node.logger("mesh").warning("revocations are not on disk yet: %s", error)

    def _write_soon(self) -> None:
        self._unwritten = True
        if self._node.clock.now() - self._written >= _WRITE_GAP:
            self._write()
        if self._unwritten:
            self._bell.ring()

    def when_expelled(self, call: Callable[[NodeId], None]) -> None:
        """Have something called with the name of each member that is expelled."""
        self._listeners.append(call)

    def issue(self, signed: SignedRevocation) -> None:
        """Act on this node's own revocation, and tell the neighbours."""
        self._act([signed])
        self._spread([signed])

    def greet(self, link: Link) -> None:
        """Tell a new neighbour what is known here; it answers with what is not."""
        if self._node.revocations.summary() is not None:
            self._send_have(link)

    def on_frame(self, link: Link, payload: Any) -> None:
        """Take a neighbour's. Raises: RemoteProtocolError."""
        match payload:
            case {"have": list(have)}:
                self._send(link, self._node.revocations.missing(have))
            case {"new": list(new)}:
                self._take(link, new)
            case _:
                raise RemoteProtocolError("malformed revocations", reason="bad_revocation")

    def _take(self, link: Link, new: list[Any]) -> None:
        node, news = self._node, []
        self._pace.tick()
        for value in new[:_BATCH]:
            if not self._pace.admit(link.peer):
                node.switch.report(link.peer, "too_many_revocations", "more than are read of it")
                break
            try:
                signed = SignedRevocation.from_wire(value)
                if node.revocations.accept(signed):
                    news.append(signed)
            except RemoteProtocolError as error:
                node.switch.report(link.peer, error.reason, str(error))
            except StateError as error:  # nobody's fault; it comes again
                node.logger("mesh").warning("a revocation from %s waits: %s", link.peer, error)
        if news:
            self._write_soon()
            self._spread(news, but=link)
            self._act(news)

    def compare(self, link: Link, summary: object) -> None:
        """Compare a neighbour's summary; differing twice in a row calls for a list."""
        self.settle()
        if summary == self._node.revocations.summary():
            self._differing.discard(link.peer)
            return
        if link.peer in self._differing:
            self._differing.discard(link.peer)
            self._send_have(link)
        else:
            self._differing = {*(self._differing & self._node.links.keys()), link.peer}

    def _act(self, news: list[SignedRevocation]) -> None:
        for signed in news:
            self._log(signed)
        self.settle()

    def settle(self) -> None:
        """Put out the members whose keys came to be revoked, by whatever changed here."""
        node = self._node
        changed = node.revocations.settle()
        names = node.trust.names_of(set(changed)) if changed else {}
        back = {key for key in changed if node.revocations.get(key) is None}
        for key in changed:
            if key in back:
                log = node.logger("mesh").warning
                log("%s may come in again", ", ".join(names.get(key, ())) or "a key not known here")
            elif key != node.identity.sign_public:
                for name in node.expel(key):
                    self._tell(name)
        if back:
            self._let_in()

    def _tell(self, name: NodeId) -> None:
        for listener in self._listeners:
            listener(name)

    def _log(self, signed: SignedRevocation) -> None:
        log, said = self._node.logger("mesh"), signed.read()
        done = "revoked" if said.revoked else "let in again"
        if said.key == self._node.identity.sign_public:
            log.warning("this node was %s by %s: %s", done, said.by, said.reason or "no reason")
        elif not self._node.revocations.is_in_force(signed):
            words = "%s says that %s was %s: see `clawmatrix revocations list`"
            self._waiting_log.warning("waits", words, said.by, said.node_id, done)
        else:
            # A flood is about keys that nobody has heard of; one that is a member's is news.
            _, since = self._node.trust.acquaintance(NodeId(said.node_id), said.key)
            level = logging.DEBUG if since == math.inf else logging.WARNING
            log.log(level, "%s was %s by %s", said.node_id, done, said.by)

    def _spread(self, news: list[SignedRevocation], *, but: Link | None = None) -> None:
        for link in tuple(self._node.links.values()):
            if link is not but:
                self._send(link, news)

    def _send(self, link: Link, news: list[SignedRevocation]) -> None:
        for start in range(0, len(news), _BATCH):
            batch = [signed.to_wire() for signed in news[start : start + _BATCH]]
            self._to(link, {"new": batch})

    def _send_have(self, link: Link) -> None:
        self._to(link, {"have": self._node.revocations.ids()})

    def _to(self, link: Link, payload: dict[str, Any]) -> None:
        peer = self._node.directory.get(link.peer)
        if peer is not None and REVOCATIONS in peer.record.features:
            self._node.switch.send_to_neighbour(link, REVOCATIONS, "", payload)
