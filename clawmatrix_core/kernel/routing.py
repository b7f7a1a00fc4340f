"""Keeps a node's routes as its links and the members' records change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.wire.routes import Route, Routes, moved

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.events import Events
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.kernel.stack import Stack
    from clawmatrix_core.wire.link import Link

__all__ = ["Routing"]

DELAY = 0.02
"""Seconds in which changes of links and records are gathered before routes are computed."""


class Routing:
    """Asks plugins for the routes, and tells exchanges and plugins what became of them."""

    def __init__(self, stack: Stack, hooks: NodeHooks, events: Events) -> None:
        self._stack = stack
        self._hooks = hooks
        self._events = events
        self._dirty = anyio.Event()
        self._running = False

    def changed(self) -> None:
        """Have the routes computed in a moment, since links or records changed."""
        self._dirty.set()

    def lost(self, link: Link) -> None:
        """Compute the routes at once: a link is gone, and no question may find it in them."""
        if self._running:
            self.compute(link.peer if link.dialled else None)

    async def run(self) -> None:
        """Compute routes whenever something changed, until cancelled."""
        self._running = True
        try:
            while True:
                await self._dirty.wait()
                await anyio.sleep(DELAY)
                self._dirty = anyio.Event()
                self.compute()
        finally:
            self._running = False

    def compute(self, dialled: NodeId | None = None) -> None:
        """Compute the routes now, and tell exchanges that wait for one.

        ``dialled`` is the other end of a link that is gone, where this node dials it again.
        """
        ways, exchanges = self._stack.ways, self._stack.exchanges
        before = ways.routes
        routes = self._hooks.ask(hookspecs.compute_routes, _checked) or {}
        ways.routes = routes
        changed = moved(before, routes)
        for name in sorted(changed):
            lost = name != self._stack.local.node_id and ways.next_link(name) is None
            for end in exchanges.of(name):
                if lost:
                    mine = name in before and before[name].next_hop == dialled
                    end.note_unroutable(redialling=mine)
                else:
                    end.resume(again=True)
        if changed:
            self._events.emit(hookspecs.routes_changed, changed=changed)


def _checked(answer: Mapping[NodeId, Route]) -> Mapping[NodeId, Route]:
    known: object = answer  # the annotation is the plugin's word only
    if not isinstance(known, Mapping) or not all(isinstance(x, Route) for x in _new(known)):
        raise TypeError("gave something other than routes by node")
    return answer


def _new(routes: Mapping[object, object]) -> Iterable[object]:
    if isinstance(routes, Routes) and routes.moved is not None:
        return [routes[name] for name in routes.moved & routes.keys()]
    return routes.values()
