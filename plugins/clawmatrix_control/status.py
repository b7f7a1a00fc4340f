"""What ``status --json`` and ``peers --json`` say. Values in, JSON out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.spi import OFFER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core import JSON, Known, NodeRecord, PathStatus, Peer, PluginInfo

__all__ = ["OWN_KEYS", "NodeFacts", "all_offered", "offered", "peer_json", "status_json"]

OWN_KEYS = frozenset(
    {"nodeId", "version", *OFFER_KINDS, "tags", "peers", "node", "offers", "lines"}
)
"""What the status has of its own: no section of a plugin gets such a name."""


class NodeFacts(msgspec.Struct, frozen=True):
    """What a node knows of itself, besides its record.

    ``uptime`` is in seconds; ``refused`` counts what was refused, by reason; ``open_exchanges`` are
    those under way.
    """

    node_id: str
    version: str
    uptime: float
    links: tuple[str, ...]
    refused: Mapping[str, int]
    plugins: tuple[PluginInfo, ...]
    open_exchanges: int = 0


def offered(record: NodeRecord | None, kind: str) -> list[str]:
    """Return the ids of what a node offers, each once, in its order."""
    entries = [] if record is None else record.offers.get(kind, [])
    ids = (entry.get("id") for entry in entries)
    return list(dict.fromkeys(id_ for id_ in ids if isinstance(id_, str)))


def all_offered(record: NodeRecord | None) -> dict[str, list[str]]:
    """Return the ids of all that a node offers, by kind in alphabetical order."""
    return {kind: offered(record, kind) for kind in sorted(record.offers if record else ())}


def peer_json(peer: Peer, path: PathStatus, known: Known) -> dict[str, JSON]:
    """Return one entry of the peers; ``known`` is how its key is known to be its name's."""
    record = peer.record
    return {
        "nodeId": record.node_id,
        **{kind: offered(record, kind) for kind in OFFER_KINDS},
        "tags": list(record.tags),
        "known": known,
        "connected": path.status != "unreachable",
        "status": path.status,
        "reachableVia": path.via,
        "latencyMs": None if path.latency_ms is None else round(path.latency_ms, 1),
        "lastSeen": _milliseconds(path.last_seen),
        "reason": path.reason,
        "evidenceAgeMs": _milliseconds(path.evidence_age),
        "version": record.version or None,
        "protocol": list(record.protocol),
    }


def status_json(
    facts: NodeFacts,
    own: NodeRecord | None,
    tags: Iterable[str],
    peers: list[dict[str, JSON]],
    sections: Mapping[str, JSON],
) -> dict[str, JSON]:
    """Return the whole status. A section cannot take the place of what the core says."""
    status = {
        "nodeId": facts.node_id,
        "version": facts.version,
        **{kind: offered(own, kind) for kind in OFFER_KINDS},
        "tags": list(tags),
        "peers": peers,
        "node": _node_json(facts, own),
    }
    added = {name: value for name, value in sections.items() if name not in OWN_KEYS}
    return {**status, **added}


def _node_json(facts: NodeFacts, own: NodeRecord | None) -> dict[str, JSON]:
    return {
        "uptime": round(facts.uptime, 1),
        "protocol": None if own is None else list(own.protocol),
        "links": sorted(facts.links),
        "exchanges": facts.open_exchanges,
        "refused": dict(sorted(facts.refused.items())),
        "faults": {info.name: info.faults for info in facts.plugins if info.faults},
        "failed": {
            info.name: info.reason or "" for info in facts.plugins if info.state == "failed"
        },
    }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
