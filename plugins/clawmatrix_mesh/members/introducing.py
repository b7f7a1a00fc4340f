"""Introductions over the mesh: this node's own are told, and those of introducers asked for.

An exchange ``introductions`` is answered with the whole list, in parts. A list counts as that of
whoever has the key at the other end, and never as that of a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import ExchangeError, ExchangeFailure, RemoteProtocolError, StateError
from clawmatrix_core.spi import Bell
from clawmatrix_mesh.members.introductions import INTRODUCTIONS, Introductions, join_parts
from clawmatrix_mesh.members.vouching import Vouching

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Exchange, NamedKeys, Node, NodeId

__all__ = ["Introducing"]

_LOOK = 1.0
"""Seconds between looks for introducers that came into reach."""
_DEADLINE = 20.0
"""Seconds for the whole of a list."""


class Introducing:
    """Asks the introducers of a node, and answers those who ask it.

    ``ask_again`` is called where names got other keys, so that records of these come.
    ``gap`` is how often each introducer is asked, in seconds.
    """

    def __init__(self, node: Node, ask_again: Callable[[], None], gap: float) -> None:
        self._node = node
        self._ask_again = ask_again
        self._gap = gap
        self._vouching = Vouching(node)
        self._introductions = Introductions(node)
        self._not_before: dict[NodeId, float] = {}
        self._changed = Bell()
        self._log = node.logger("mesh")
        node.trust.when_releveled(self._on_releveled)

    # --- what is told

    async def answer(self, ex: Exchange) -> None:
        """Tell a member the names that this node vouches for."""
        try:
            *parts, last = self._vouching.parts()
        except StateError as error:
            raise ExchangeFailure("unavailable", "the list cannot be written down") from error
        for part in parts:
            await ex.send(part)
        await ex.finish(last)

    # --- what is asked for

    def name(self, introducers: NamedKeys) -> None:
        """Take other introducers in the place of those before; their lists count at once."""
        self._introductions.name(introducers)
        self._not_before.clear()
        self.settle()
        self._changed.ring()

    def settle(self) -> None:
        """Have the trust store know what is introduced now."""
        node = self._node
        try:
            rekeyed = node.trust.introduce(self._introductions.agreed(), now=node.clock.wall())
        except StateError as error:  # it counts, and is written with the next change
            self._log.warning("introductions are not on disk yet: %s", error)
            return
        for name in rekeyed:
            self._log.warning("%s has the key that an introducer names, in place of hearsay", name)
            node.directory.forget(name)
        if rekeyed:
            self._ask_again()

    async def run(self) -> None:
        """Ask each introducer now and then, until cancelled."""
        while True:
            async with anyio.create_task_group() as tasks:
                for name in self._due():
                    self._not_before[name] = self._node.clock.now() + self._gap
                    tasks.start_soon(self._ask, name)
            look = min(_LOOK, self._gap) if self._introductions.named else None
            with anyio.move_on_after(look):
                await self._changed.wait()

    def _due(self) -> list[NodeId]:
        now, node = self._node.clock.now(), self._node
        return [
            name
            for name in self._introductions.named
            if self._not_before.get(name, now) <= now
            and self._introductions.key_of(name) is not None
            and node.reachable(name)
        ]

    async def _ask(self, name: NodeId) -> None:
        try:
            await self._fetch(name)
        except RemoteProtocolError as error:
            self._node.switch.report(name, error.reason, str(error))
        except ExchangeError as error:
            self._log.info("the introductions of %s did not come: %s", name, error)
        except StateError as error:
            self._log.warning("the introductions of %s are not on disk: %s", name, error)
        self.settle()

    async def _fetch(self, name: NodeId) -> None:
        """Ask for a list and keep it. Raises: ExchangeError, RemoteProtocolError, StateError."""
        number: int | None = None
        names: dict[NodeId, bytes] = {}
        async with self._node.exchange(
            name, INTRODUCTIONS, {}, complete=True, deadline=_DEADLINE
        ) as ex:
            async for part in ex:
                number, names = join_parts(number, names, part)
            key = ex.peer_key
        if number is None or key is None or key != self._introductions.key_of(name):
            return  # whoever answered is not the introducer, or counts no more
        self._introductions.take(name, key, number, names)

    def _on_releveled(self, name: NodeId) -> None:
        if name in self._introductions.named:
            self._not_before.pop(name, None)
            self.settle()
            self._changed.ring()
