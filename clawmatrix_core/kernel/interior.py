"""The inside of a running node: its members, its stack, and what keeps them in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.kernel.own_metrics import own_metrics
from clawmatrix_core.kernel.roster import Roster
from clawmatrix_core.kernel.routing import Routing
from clawmatrix_core.kernel.stack import Stack
from clawmatrix_core.members.directory import Directory
from clawmatrix_core.members.room import Room
from clawmatrix_core.wire.close_codes import CloseCode

if TYPE_CHECKING:
    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.log import RateLimitedLogger
    from clawmatrix_core.base.metric import Metric
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.kernel.events import Events
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.members.directory import Peer
    from clawmatrix_core.members.standing import Standing
    from clawmatrix_core.sessions.keyring import Keyring
    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.ways import Ways

__all__ = ["Interior"]

LINGER = 1.0
"""Seconds for which a node that stops lets queued frames go out."""
TICK = 1.0
"""Seconds between two looks at sessions and links."""


class Interior:
    """The parts of one run of a node, put together.

    Attributes:
        directory: the newest record of each member.
        stack: what carries frames.
        routing: keeps the routes.
        roster: takes records.
    """

    def __init__(
        self,
        local: Local,
        ways: Ways,
        standing: Standing,
        keyring: Keyring,
        *,
        hooks: NodeHooks,
        events: Events,
        log: RateLimitedLogger,
        rekeying: Rekeying | None,
        openings: float,
        limits: ExchangeLimits,
    ) -> None:
        """Put the parts together; the arguments are those of ``Stack``, and where events go."""
        self.directory = Directory(
            local.node_id,
            standing.identity,
            standing.trust,
            now=local.now,
            wall=local.wall,
            is_revoked=lambda key: standing.revocations.get(key) is not None,
            make_room=lambda newcomer: room.for_member(newcomer),
            make_place=lambda: room.for_proved(),
            free_links=lambda wanted: room.for_links(wanted),
            is_linked=lambda name: name in ways.links,
            on_gone=self._on_gone,
        )
        self.stack = Stack(
            local,
            ways,
            identity=standing.identity,
            psks=lambda: keyring.psks,
            directory=self.directory,
            hooks=hooks,
            log=log,
            rekeying=rekeying,
            openings=openings,
            limits=limits,
        )
        keyring.when_changed(self.stack.sessions.retire)
        standing.trust.when_rekeyed(self.stack.keep_key)
        heard = self.stack.switch.heard
        room = Room(self.directory, local.now, heard, lambda name: ways.next_link(name) is not None)
        self.routing = Routing(self.stack, hooks, events)
        self.roster = Roster(self.directory, self.stack, self.routing, events)
        self._events = events

    def __repr__(self) -> str:
        return f"<Interior {self.stack!r}>"

    def _on_gone(self, peer: Peer) -> None:
        self.stack.switch.heard.pop(peer.node_id, None)
        self._events.emit(hookspecs.peer_gone, peer=peer)

    def own_metrics(self) -> list[Metric]:
        """Return the metrics of the core."""
        return own_metrics(self.stack, self.directory)

    async def run_link(self, link: Link) -> str:
        """Carry frames over a proved link until it closes; return why it did."""
        stack = self.stack
        stack.add_link(link)
        self.routing.changed()
        self._events.emit(hookspecs.link_opened, link=link)
        stack.exchanges.flush(link.peer, again=True)

        def over() -> None:
            stack.remove_link(link)
            self.routing.lost(link)

        try:
            return await link.run(stack.switch.on_message, over)
        finally:
            self._events.emit(hookspecs.link_closed, link=link, reason=link.closing or "closed")

    async def run_ticks(self) -> None:
        """Look after sessions and links each second, until cancelled."""
        while True:
            await anyio.sleep(TICK)
            self.stack.sessions.tick()
            for link in tuple(self.stack.ways.links.values()):
                if link.stalled_for() > link.drain_limit:
                    self.stack.local.count("stalled")
                    link.close("the other end takes nothing", CloseCode.DEAD)

    async def take_leave(self) -> None:
        """Tell the other ends of exchanges that the node stops, and let queued frames go out."""
        self.stack.exchanges.shut_down()
        with anyio.move_on_after(LINGER):
            for link in tuple(self.stack.ways.links.values()):
                await link.drained()
