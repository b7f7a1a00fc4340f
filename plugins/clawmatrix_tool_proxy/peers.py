"""The tool ``cluster_peers``: the nodes of the mesh, for agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_core import LOCAL
from clawmatrix_tool_proxy.api import ToolCall, ToolFailed, tool

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Node, NodeRecord, Peer
    from clawmatrix_tool_proxy.api import Tool
    from clawmatrix_tool_proxy.catalog.keeping import CatalogKeeper

__all__ = ["CLUSTER_PEERS", "peers_tool"]

CLUSTER_PEERS: Final = "cluster_peers"
_PATIENCE: Final = 3.0
_AT_ONCE: Final = 16


def peers_tool(node: Node, keeper: CatalogKeeper) -> Tool:
    """Return the tool that tells the nodes of the mesh."""

    async def cluster_peers(call: ToolCall) -> list[JSON]:
        """List the nodes of the mesh: what each offers, and whether and how it is reached.

        Each has nodeId, agents, models, tags, tools, connected, status, reachableVia, latencyMs
        and known, which says how its key is known to be its name's. The tools are those that this
        node may call there; null where that node did not say.
        """
        found: dict[str, JSON] = {}
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def look(peer: Peer) -> None:
            async with limiter:
                found[peer.node_id] = await _peer(node, keeper, peer, own=call.peer == LOCAL)

        peers = list(node.directory.listed())
        async with anyio.create_task_group() as tasks:
            for peer in peers:
                tasks.start_soon(look, peer)
        return [found[peer.node_id] for peer in peers]

    return tool(cluster_peers, name=CLUSTER_PEERS, hints={"readOnly": True})


async def _peer(node: Node, keeper: CatalogKeeper, peer: Peer, *, own: bool) -> JSON:
    record = peer.record
    path = await node.path_status(record.node_id)
    connected = path.status != "unreachable"
    return {
        "nodeId": record.node_id,
        "agents": _ids(record, "agents"),
        "models": _ids(record, "models"),
        "tags": list(record.tags),
        "tools": await _tools(keeper, record.node_id) if own and connected else None,
        "connected": connected,
        "status": path.status,
        "reachableVia": path.via,
        "latencyMs": None if path.latency_ms is None else round(path.latency_ms, 1),
        "known": node.trust.how_known(record.node_id, record.key_text),
    }


def _ids(record: NodeRecord, kind: str) -> list[JSON]:
    ids = (entry.get("id") for entry in record.offers.get(kind, []))
    return list(dict.fromkeys(id_ for id_ in ids if isinstance(id_, str)))


async def _tools(keeper: CatalogKeeper, name: str) -> list[JSON] | None:
    """Return the tools of a node; None where it does not say, or has no list."""
    try:
        catalog = await keeper.ask(name, patience=_PATIENCE)
    except ToolFailed:
        return None
    return [entry.name for entry in catalog.entries]
