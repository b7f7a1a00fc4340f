"""Keeps the lists of tools of other nodes, and follows them while somebody uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import Bound, ExchangeError, ExchangeFailure, NodeId
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.catalog.entries import (
    CATALOG,
    TOOL_LIST,
    Catalog,
    CatalogRequest,
    read_entry,
    read_head,
)
from clawmatrix_tool_proxy.json_marks import VALUE, marks_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Exchange, Node, PluginScope

__all__ = ["KEPT", "CatalogKeeper"]

KEPT = Bound(
    64,
    "nodes whose lists of tools are kept",
    fed_by="a client",
    when_full="the list that was not used for longest is given up",
)
IDLE: Final = 300.0
"""Seconds for which a list is followed after it was last used."""
REST: Final = 0.25
"""Seconds between two lists of one node: others may send them without an end."""


@attrs.define(eq=False)
class _Followed:
    """The list of one node, while it is followed."""

    scope: anyio.CancelScope
    used: float
    told: anyio.Event = attrs.field(factory=anyio.Event)
    catalog: Catalog | None = None
    failure: ToolFailed | None = None

    def newest(self, peer: str) -> Catalog:
        """Return the list. Raises: ToolFailed, where there is none."""
        if self.catalog is not None:
            return self.catalog
        if self.failure is not None:
            raise self.failure
        raise ToolFailed("deadline", f"{peer} did not tell its tools in time", may_have_run=False)


class CatalogKeeper:
    """The lists of the nodes that were asked.

    A list goes when its node goes, when the node's name gets another key, and when nobody used it
    for five minutes.
    """

    def __init__(self, node: Node, scope: PluginScope) -> None:
        self._node, self._scope = node, scope
        self._followed: dict[NodeId, _Followed] = {}
        self._callbacks: list[Callable[[NodeId], None]] = []

    def __len__(self) -> int:
        return len(self._followed)

    def when_changed(self, call: Callable[[NodeId], None]) -> Callable[[], None]:
        """Have something called with each node whose list is new or gone; return what ends that."""
        self._callbacks.append(call)
        return lambda: self._callbacks.remove(call) if call in self._callbacks else None

    async def ask(self, peer: str, *, patience: float) -> Catalog:
        """Return the newest list of a node, waiting ``patience`` seconds for the first one.

        Raises: ToolFailed.
        """
        followed = self._follow(NodeId(peer))
        with anyio.move_on_after(patience):
            await followed.told.wait()
        return followed.newest(peer)

    def _follow(self, peer: NodeId) -> _Followed:
        followed, now = self._followed.get(peer), anyio.current_time()
        if followed is None:
            self._make_room()
            followed = self._followed[peer] = _Followed(anyio.CancelScope(), now)
            if not self._scope.start_soon(self._run, peer, followed, name=f"tools of {peer}"):
                raise ToolFailed("stopping", "this node stops", may_have_run=False)
        followed.used = now
        followed.scope.deadline = now + IDLE
        return followed

    def _make_room(self) -> None:
        if len(self._followed) >= KEPT:
            oldest = min(self._followed, key=lambda name: self._followed[name].used)
            self._followed.pop(oldest).scope.cancel()

    async def _run(self, peer: NodeId, followed: _Followed) -> None:
        try:
            with followed.scope:
                await self._read(peer, followed)
        except ExchangeError as error:
            followed.failure = ToolFailed.of_exchange(error)
        finally:
            had = followed.catalog
            followed.catalog = None
            if self._followed.get(peer) is followed:
                del self._followed[peer]
            followed.told.set()
            if had is not None:
                self._tell(peer)

    async def _read(self, peer: NodeId, followed: _Followed) -> None:
        request = msgspec.to_builtins(CatalogRequest(follow=True))
        async with self._node.exchange(peer, TOOL_LIST, request, complete=True) as ex:
            async for payload in ex:
                followed.catalog = await _catalog(ex, payload)
                followed.told.set()
                self._tell(peer)
                await anyio.sleep(REST)

    def _tell(self, peer: NodeId) -> None:
        for call in tuple(self._callbacks):
            call(peer)


async def _catalog(ex: Exchange, payload: object) -> Catalog:
    head, entries, size = read_head(payload), [], 0
    for _ in range(head.tools):
        entry = await ex.receive()
        encoded = entry if isinstance(entry, bytes) else msgspec.json.encode(entry)
        size += len(encoded) + VALUE * marks_in(encoded, 0)
        if size > CATALOG:
            raise ExchangeFailure("too_large", "a list of too many bytes and values")
        entries.append(read_entry(entry))
    return Catalog(ex.peer, ex.peer_key, head.version, tuple(entries))
