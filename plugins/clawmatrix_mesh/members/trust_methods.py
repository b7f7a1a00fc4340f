"""What ``clawmatrix trust`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import ExchangeFailure, LocalProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.kernel.contributions import ControlMethod
from clawmatrix_core.members.identity import digits
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_mesh.members.params import required_text
from clawmatrix_mesh.members.revoke_methods import revocations_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.kernel.node import Node

__all__ = ["trust_methods"]


def trust_methods(node: Node, changed: Callable[[], None]) -> list[ControlMethod]:
    """Return ``trust.list``, ``trust.accept`` and ``trust.forget``.

    ``changed`` is called when a node that was refused before may now be let in.
    """

    async def list_(_: dict[str, Any]) -> Any:
        return {
            "nodeId": node.id,
            "fingerprint": node.identity.fingerprint,
            "digits": digits(node.identity.sign_public),
            "nodes": _entries(node),
            "revoked": revocations_json(node),
        }

    async def accept(params: dict[str, Any]) -> Any:
        name, prefix = required_text(params, "node"), required_text(params, "fingerprint")
        try:
            entry = node.trust.accept(NodeId(name), prefix)
        except LocalProtocolError as error:
            raise ExchangeFailure("refused", str(error)) from None
        _drop(node, name)
        changed()
        return {"nodeId": name, "fingerprint": entry.fingerprint}

    async def forget(params: dict[str, Any]) -> Any:
        name = required_text(params, "node")
        if not node.trust.forget(NodeId(name)):
            raise ExchangeFailure("not_found", f"no key is known of {name}")
        _drop(node, name)
        changed()
        return {"nodeId": name}

    return [
        ControlMethod("trust.list", list_),
        ControlMethod("trust.accept", accept),
        ControlMethod("trust.forget", forget),
    ]


def _drop(node: Node, name: str) -> None:
    # What was known under the old key goes, so that the new one starts afresh.
    link = node.links.get(NodeId(name))
    if link is not None:
        link.close("its key was replaced or forgotten", CloseCode.PIN_CONFLICT)
    node.directory.forget(NodeId(name))


def _entries(node: Node) -> list[dict[str, Any]]:
    conflicts: dict[str, list[dict[str, Any]]] = {}
    for conflict in node.trust.conflicts():
        conflicts.setdefault(conflict.node_id, []).append(
            {
                "fingerprint": conflict.fingerprint,
                "firstSeen": int(conflict.first_seen * 1000),
                "lastSeen": int(conflict.last_seen * 1000),
                "count": conflict.count,
                "proven": conflict.proven,
            }
        )
    return [
        {
            "nodeId": entry.node_id,
            "fingerprint": entry.fingerprint,
            "digits": digits(entry.sign_public),
            "state": str(entry.state),
            "firstSeen": int(entry.first_seen * 1000),
            "conflicts": conflicts.get(entry.node_id, []),
        }
        for entry in node.trust.entries()
    ]
