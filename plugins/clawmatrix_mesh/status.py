"""What the mesh plugin adds to the status. Values in, JSON out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.log import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.link import Link
    from clawmatrix_mesh.links.admission import RefusedConnection
    from clawmatrix_mesh.links.dialler import Attempt
    from clawmatrix_mesh.links.direct import Upgrade

__all__ = ["mesh_status"]


def mesh_status(
    listen: Iterable[str],
    links: Iterable[Link],
    attempts: Iterable[Attempt],
    refused: Iterable[RefusedConnection],
    upgrades: Mapping[NodeId, Upgrade],
) -> dict[str, Any]:
    """Return the section ``mesh``."""
    return {
        "listen": list(listen),
        "links": [_link(link) for link in links],
        "dialling": [_attempt(attempt) for attempt in attempts],
        "direct": [_upgrade(name, one) for name, one in sorted(upgrades.items()) if one.addresses],
        "refused": [_refused(one) for one in refused],
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "nodeId": link.peer,
        "dialled": link.dialled,
        "remote": link.connection.remote,
        "latencyMs": None if link.rtt is None else round(link.rtt, 2),
        "protocol": link.protocol,
        "peerProtocol": link.peer_protocol,
        "framesIn": link.frames_in,
        "framesOut": link.frames_out,
        "bytesIn": link.bytes_in,
        "bytesOut": link.bytes_out,
        "slowedMs": round(link.slowed * 1000),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "address": attempt.address,
        "nodeId": attempt.node_id,
        "failures": attempt.failures,
        "error": attempt.error,
    }


def _upgrade(name: NodeId, upgrade: Upgrade) -> dict[str, Any]:
    return {
        "nodeId": name,
        "addresses": [redact(address) for address in upgrade.addresses],
        "failures": upgrade.failures,
        "error": upgrade.error,
    }


def _refused(one: RefusedConnection) -> dict[str, Any]:
    return {
        "remote": one.remote,
        "reason": one.reason,
        "message": one.message,
        "count": one.count,
        "last": int(one.last * 1000),
    }
