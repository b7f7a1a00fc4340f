"""The section ``mesh`` of a node's status, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import ago, shown_address
from clawmatrix_mesh.addresses import with_address
from clawmatrix_mesh.checks.advice import OF_MEMBERS, RECENT, advice_for
from clawmatrix_mesh.links.flapping import Flap
from clawmatrix_mesh.members.revocation_methods import waiting_json, waiting_words
from clawmatrix_mesh.members.revoke_methods import revocations_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Link, Node, NodeId
    from clawmatrix_mesh.links.admission import RefusedConnection
    from clawmatrix_mesh.links.dialler import DialTarget
    from clawmatrix_mesh.links.direct import Upgrade
    from clawmatrix_mesh.links.links import Links

__all__ = ["mesh_lines", "mesh_status"]

_SHOWN = 3
"""Revocations that wait which are named in a status; the command lists them all."""


def mesh_status(node: Node, links: Links | None) -> dict[str, Any]:
    """Return the section ``mesh``; ``links`` is None while the plugin has not started."""
    targets = links.dialler.targets.values() if links else ()
    upgrades = links.direct.upgrades if links and links.direct else {}
    refused = links.acceptor.refused.latest() if links else ()
    wall = node.clock.wall()
    return {
        "listen": [shown_address(one) for one in links.listening.bound] if links else [],
        "links": [_link(link) for link in node.links.values()],
        "dialling": [_target(target) for target in targets],
        "direct": [_upgrade(name, one) for name, one in sorted(upgrades.items()) if one.addresses],
        "refused": [_refused(one) for one in refused],
        "flapping": [one.to_json() for one in links.flaps.latest(wall)] if links else [],
        "keyRefused": [one.to_json() for one in links.own_key.latest()] if links else [],
        "lost": list(node.trust.lost),
        "revoked": revocations_json(node),
        "waiting": waiting_json(node),
    }


def mesh_lines(section: dict[str, Any], now: float) -> list[str]:
    """Return a line for each thing that a person should know: why links are missing, first.

    ``now`` is wall-clock seconds.
    """
    out = [_put_out(one, now) for one in section["revoked"] if one["revoked"]]
    waiting = section["waiting"]
    lines = [f"{waiting_words(one)} {_ago(one, now)}: it waits" for one in waiting[:_SHOWN]]
    if waiting:
        more = f"{len(waiting) - _SHOWN} more wait: " if len(waiting) > _SHOWN else ""
        lines.append(f"{more}clawmatrix revocations list")
    return [*section["lost"], *_missing(section, now), *out, *lines]


def _missing(section: dict[str, Any], now: float) -> Iterator[str]:
    """Yield why links are missing or do not hold, in the words of ``clawmatrix doctor``."""
    for one in section["dialling"]:
        if one["error"]:
            yield with_address(one["address"], one["error"])
            yield f"  -> {one['advice']}"
    for one in section["refused"]:
        if one["reason"] in OF_MEMBERS and now - one["last"] / 1000 < RECENT:
            last = ago(max(0.0, now - one["last"] / 1000))
            yield f"refused: {one['message']} ({one['count']} times, last {last})"
            yield f"  -> {advice_for(one['reason'])}"
    for one in section["keyRefused"]:
        yield f"{one['who']} knows another key under this node's name ({one['count']} times)"
        yield f"  -> {advice_for('key_refused')}"
    for one in section["flapping"]:
        yield str(Flap(one["nodeId"], one["count"], one["reasons"]))


def _put_out(one: dict[str, Any], now: float) -> str:
    why = f": {one['reason']}" if one.get("reason") else ""
    return f"{one['nodeId']} was revoked by {one['by']} {_ago(one, now)}{why}"


def _ago(one: dict[str, Any], now: float) -> str:
    return ago(now - one["at"] / 1000)


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


def _target(target: DialTarget) -> dict[str, Any]:
    return {
        "address": target.address,
        "nodeId": target.node_id,
        "failures": target.failures,
        "error": target.error,
        "reason": target.reason if target.error else None,
        "advice": advice_for(target.reason) if target.error else None,
    }


def _upgrade(name: NodeId, upgrade: Upgrade) -> dict[str, Any]:
    return {
        "nodeId": name,
        "addresses": [shown_address(address) for address in upgrade.addresses],
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
