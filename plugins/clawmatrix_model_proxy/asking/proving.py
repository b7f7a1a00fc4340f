"""Has nodes that offer models prove themselves, so that it is known since when each is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import ExchangeError
from clawmatrix_model_proxy.wire import MODEL_LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from clawmatrix_core import Node, NodeId

__all__ = ["Proving"]

_AT_A_TIME = 4
"""Nodes that are asked at the same time."""
_DEADLINE = 10.0
"""Seconds in which an answer has to come."""
_GAP, _GAP_MOST = 1.0, 300.0
"""Seconds between two questions to one node; they double while it does not prove itself."""
_LOOK = 0.25
"""Seconds between two looks at whom to ask."""
_IDLE = 2.0
"""Seconds between two looks while all have proved themselves."""


class Proving:
    """Asks nodes behind relays a question, once; the session that it takes proves their keys.

    A node that made itself up out of others' gossip answers none. ``urgent`` gives the names
    that other nodes' ids begin with: these come first.
    """

    def __init__(self, node: Node, urgent: Callable[[], Collection[str]]) -> None:
        self._node = node
        self._urgent = urgent
        self._asking: set[NodeId] = set()
        self._tries: dict[NodeId, tuple[float, int]] = {}

    def __repr__(self) -> str:
        return f"<Proving of {self._node.id}, {len(self._asking)} asked>"

    async def run(self) -> None:
        """Ask, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                wait = _IDLE
                for name in self._due():
                    wait = _LOOK
                    self._asking.add(name)
                    tasks.start_soon(self._ask, name)
                await anyio.sleep(wait)

    def _due(self) -> list[NodeId]:
        urgent = self._urgent()
        unproven = list(self._unproven())
        self._tries = {name: self._tries[name] for name in unproven if name in self._tries}
        now = self._node.clock.now()
        due = [name for name in unproven if self._tries.get(name, (now, 0))[0] <= now]
        due.sort(key=lambda name: (name not in urgent, self._tries.get(name, (0.0, 0))[1]))
        return due[: _AT_A_TIME - len(self._asking)]

    def _unproven(self) -> Iterator[NodeId]:
        node = self._node
        for peer in node.directory.others():
            name, offers = peer.node_id, peer.record.offers
            if name in self._asking or not (offers.get("models") or offers.get("model_lists")):
                continue
            if node.trust.proven_since(name) is None and node.reachable(name):
                yield name

    async def _ask(self, name: NodeId) -> None:
        # The question is for a list that there is not. Any answer will do, also a refusal.
        try:
            async with self._node.exchange(
                name, MODEL_LIST, {"digest": ""}, complete=True, deadline=_DEADLINE
            ) as exchange:
                async for _ in exchange:
                    break
        except ExchangeError:
            pass
        finally:
            tries = self._tries.get(name, (0.0, 0))[1]
            gap = min(_GAP * 2 ** min(tries, 10), _GAP_MOST)
            self._tries[name] = (self._node.clock.now() + gap, tries + 1)
            self._asking.discard(name)
