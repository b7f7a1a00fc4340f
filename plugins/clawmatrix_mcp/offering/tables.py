"""What is offered at one time. Values only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_mcp.naming import offered_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from clawmatrix_core import JSON, NodeId
    from clawmatrix_tool_proxy.api import Catalog, Entry

__all__ = ["CLUSTER_PEERS", "LeftOut", "Offered", "Part", "Table", "part_of", "table_of"]

CLUSTER_PEERS: Final = "cluster_peers"


@attrs.frozen(eq=False)
class Offered:
    """A tool that MCP clients may call.

    Attributes:
        name: the name by which they do.
        node: the node that has it.
        key: that node's key, as text.
        entry: what the node tells of it.
    """

    name: str
    node: NodeId
    key: str
    entry: Entry = attrs.field(repr=False)

    @property
    def mounted(self) -> Mapping[str, JSON] | None:
        """What its MCP server tells of it; None where it is no tool of an MCP server."""
        told = self.entry.hints.get("mcp")
        return told if isinstance(told, dict) else None


@attrs.frozen
class LeftOut:
    """A tool, or all tools of a node, that clients do not see, and why."""

    node: NodeId
    tool: str | None
    why: str


@attrs.frozen(eq=False)
class Part:
    """The tools of one node, by the names by which they are called."""

    node: NodeId
    catalog: Catalog | None
    tools: Mapping[str, Offered]
    left_out: Sequence[LeftOut] = ()


@attrs.frozen(eq=False)
class Table:
    """All tools that are offered, in the order of lists, and what is left out."""

    parts: Sequence[Part]
    tools: Mapping[str, Offered]
    left_out: Sequence[LeftOut]


def part_of(
    catalog: Catalog, key: str, *, own: bool, waiting: Mapping[str, str] | None = None
) -> Part:
    """Return what a list of a node comes to; tools in ``waiting`` are left out."""
    tools, left_out = {}, []
    for entry in sorted(catalog.entries, key=lambda entry: entry.name):
        if waiting is not None and entry.name in waiting:
            why = f"it was {waiting[entry.name]}: `clawmatrix tools accept {catalog.peer}`"
            left_out.append(LeftOut(catalog.peer, entry.name, why))
            continue
        is_open = own and entry.name == CLUSTER_PEERS
        name = CLUSTER_PEERS if is_open else offered_name(catalog.peer, key, entry.name)
        tools[name] = Offered(name, catalog.peer, key, entry)
    return Part(catalog.peer, catalog, tools, left_out)


def table_of(parts: Sequence[Part]) -> Table:
    """Put the tools of nodes together; of two with one name the first stays."""
    tools: dict[str, Offered] = {}
    left_out = [one for part in parts for one in part.left_out]
    for offered in _in_order(parts):
        if offered.name in tools:
            left_out.append(LeftOut(offered.node, offered.entry.name, "its name is taken"))
        else:
            tools[offered.name] = offered
    return Table(tuple(parts), tools, tuple(left_out))


def _in_order(parts: Iterable[Part]) -> Iterator[Offered]:
    every = [offered for part in parts for offered in part.tools.values()]
    yield from (offered for offered in every if offered.name == CLUSTER_PEERS)
    yield from (offered for offered in every if offered.name != CLUSTER_PEERS)
