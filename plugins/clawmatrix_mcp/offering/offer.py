"""What this node offers to MCP clients, as the nodes of the mesh tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from clawmatrix_core import NodeId, key_text
from clawmatrix_mcp.offering.seen import NODES, Seen
from clawmatrix_mcp.offering.tables import LeftOut, Part, part_of, table_of
from clawmatrix_tool_proxy.api import ToolFailed, list_tools, pins_of

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_mcp.offering.tables import Offered, Table
    from clawmatrix_tool_proxy.api import Catalog

__all__ = ["Offer"]

PATIENCE: Final = 2.0
"""Seconds that a node gets for its first list."""
LATE: Final = 0.05
"""Seconds that a node gets that was late the last time; clients hear of its list when it comes."""


class Offer:
    """Asks the nodes that are seen for their lists, all at the same time.

    Nothing is kept beyond what the lists say now: each question asks the keeper of lists, which
    follows them. What is kept is only what the newest list of a node came to.
    """

    def __init__(self, node: Node, *, patience: float = PATIENCE) -> None:
        self._node, self._patience = node, patience
        self._seen = Seen(node)
        self._parts: dict[NodeId, Part] = {}
        self._late: set[NodeId] = set()
        self._last = table_of(())

    @property
    def last(self) -> Table:
        """What was offered when that was last asked."""
        return self._last

    async def table(self) -> Table:
        """Return what is offered now. It is the same object while nothing changes."""
        names = [self._node.id, *self._seen.all()]
        asked, others = names[: NODES + 1], names[NODES + 1 :]
        found: dict[NodeId, Part] = {}

        async def ask(name: NodeId) -> None:
            found[name] = await self._part(name)

        async with anyio.create_task_group() as tasks:
            for name in asked:
                tasks.start_soon(ask, name)
        for name in others:
            found[name] = self._none(name, f"{NODES.text} nodes are the most")
        for name in self._parts.keys() - set(names):
            del self._parts[name]
        self._late &= set(asked)
        parts = [found[name] for name in names]
        if len(parts) != len(self._last.parts) or any(
            new is not old for new, old in zip(parts, self._last.parts, strict=True)
        ):
            self._last = table_of(parts)
        return self._last

    async def find(self, name: str) -> Offered | None:
        """Return the tool of a name, as its node tells of it now; None where none is offered."""
        known = self._last.tools.get(name)
        if known is None:
            return (await self.table()).tools.get(name)
        return (await self._part(known.node)).tools.get(name)

    async def _part(self, name: NodeId) -> Part:
        """Return the tools of one node, none where it doesn't tell them."""
        own = name == self._node.id
        if not own and not self._node.reachable(name):
            return self._none(name, "it is not reachable")
        try:
            patience = LATE if name in self._late else self._patience
            catalog = await list_tools(self._node, name, patience=patience)
        except ToolFailed as error:
            if error.code == "deadline":
                self._late.add(name)
            return self._none(name, str(error))
        self._late.discard(name)
        why = "" if own else self._seen.why_not(name, catalog.key)
        return self._none(name, why) if why else self._told(catalog, own=own)

    def _told(self, catalog: Catalog, *, own: bool) -> Part:
        kept = self._parts.get(catalog.peer)
        if kept is None or kept.catalog is not catalog:
            kept = self._parts[catalog.peer] = self._judged(catalog, own=own)
        return kept

    def _judged(self, catalog: Catalog, *, own: bool) -> Part:
        if own or catalog.key is None:  # what is mounted here was judged as it was mounted
            return part_of(catalog, self._node.identity.key_text, own=True)
        key = key_text(catalog.key)
        definitions = {
            entry.name: msgspec.to_builtins(entry, builtin_types=()) for entry in catalog.entries
        }
        judged = pins_of(self._node).judge(f"node {catalog.peer} {key}", definitions)
        return part_of(catalog, key, own=False, waiting=judged.waiting)

    def _none(self, name: NodeId, why: str) -> Part:
        """Return a part without tools: the same one while it is for the same reason."""
        kept = self._parts.get(name)
        left_out = (LeftOut(name, None, why),)
        if kept is None or kept.catalog is not None or kept.left_out != left_out:
            kept = self._parts[name] = Part(name, None, {}, left_out)
        return kept

    def forget(self) -> None:
        """Judge the lists anew: a person may have accepted more."""
        self._parts.clear()
