"""Keeps the lists of resources and prompts of nodes, and follows them while they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import Bound, ExchangeError, ExchangeFailure, NodeId
from clawmatrix_mcp.resources.frame_types import MCP_LIST
from clawmatrix_mcp.resources.wire import LIST, ListRequest, read_entry, read_head
from clawmatrix_tool_proxy.api import ToolFailed, marks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import Exchange, Node, PluginScope
    from clawmatrix_mcp.resources.wire import Entry

__all__ = ["KEPT", "ListKeeper", "Listed"]

KEPT = Bound(
    64,
    "nodes whose lists of resources and prompts are kept",
    fed_by="a client",
    when_full="the list that was not used for longest is given up",
)
IDLE: Final = 300.0
"""Seconds for which a list is followed after it was last used."""
REST: Final = 0.25
"""Seconds between two lists of one node: others may send them without an end."""
_VALUE: Final = 64


@attrs.frozen(eq=False)
class Listed:
    """What a node lets this one read, as it last said.

    Attributes:
        peer: the name of the node.
        key: the key that it proved as it told the list; None for this node itself.
        entries: its resources, templates and prompts.
        more: how many others it left out, as its list would have been too large.
    """

    peer: NodeId
    key: bytes | None
    entries: Sequence[Entry]
    more: int


@attrs.define(eq=False)
class _Followed:
    """The list of one node, while it is followed; ``late`` where it did not come in time."""

    scope: anyio.CancelScope
    used: float
    told: anyio.Event = attrs.field(factory=anyio.Event)
    late: bool = False
    listed: Listed | None = None
    failure: ToolFailed | None = None

    def newest(self, peer: str) -> Listed:
        """Return the list. Raises: ToolFailed, where there is none."""
        if self.listed is not None:
            return self.listed
        if self.failure is not None:
            raise self.failure
        words = f"{peer} did not tell its resources in time"
        raise ToolFailed("deadline", words, may_have_run=False)


class ListKeeper:
    """The lists of the nodes that were asked.

    A list goes when its node goes, when the node's name gets another key, and when nobody used it
    for five minutes. ``changed`` is called when one differs from what was returned, or is gone.
    """

    def __init__(self, node: Node, scope: PluginScope, changed: Callable[[], None]) -> None:
        self._node, self._scope, self._changed = node, scope, changed
        self._followed: dict[NodeId, _Followed] = {}

    def __len__(self) -> int:
        return len(self._followed)

    async def ask(self, peer: NodeId, *, patience: float) -> Listed:
        """Return the newest list of a node, waiting ``patience`` seconds for the first one.

        Raises: ToolFailed.
        """
        followed = self._follow(peer)
        with anyio.move_on_after(patience):
            await followed.told.wait()
        followed.late = followed.late or followed.listed is None
        return followed.newest(peer)

    def _follow(self, peer: NodeId) -> _Followed:
        followed, now = self._followed.get(peer), anyio.current_time()
        if followed is None:
            self._make_room()
            followed = self._followed[peer] = _Followed(anyio.CancelScope(), now)
            if not self._scope.start_soon(self._run, peer, followed, name=f"resources of {peer}"):
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
            had, followed.listed = followed.listed, None
            if self._followed.get(peer) is followed:
                del self._followed[peer]
            followed.told.set()
            if had is not None:
                self._changed()

    async def _read(self, peer: NodeId, followed: _Followed) -> None:
        request = msgspec.to_builtins(ListRequest(follow=True))
        async with self._node.exchange(peer, MCP_LIST, request, complete=True) as ex:
            async for payload in ex:
                before, followed.listed = followed.listed, await _listed(ex, payload)
                followed.told.set()
                if before is not None or followed.late:
                    self._changed()  # else whoever asked has it
                await anyio.sleep(REST)


async def _listed(ex: Exchange, payload: object) -> Listed:
    head, entries, size = read_head(payload), [], 0
    for _ in range(head.entries):
        entry = await ex.receive()
        encoded = entry if isinstance(entry, bytes) else msgspec.json.encode(entry)
        size += len(encoded) + _VALUE * marks_in(encoded, 0)
        if size > LIST:
            raise ExchangeFailure("too_large", "a list of too many bytes and values")
        entries.append(read_entry(entry))
    return Listed(ex.peer, ex.peer_key, tuple(entries), head.more)
