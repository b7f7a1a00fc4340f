"""What ``clawmatrix trust`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import ControlMethod, ExchangeFailure, LocalProtocolError, NodeId
from clawmatrix_core.spi import CloseCode
from clawmatrix_mesh.members.params import required_text
from clawmatrix_mesh.members.revoke_methods import revocations_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node

__all__ = ["TrustMethods"]


class TrustMethods:
    """The methods, over a node's trust store.

    ``changed`` is called when a node that was refused before may now be let in.
    """

    def __init__(self, node: Node, changed: Callable[[], None]) -> None:
        self._node = node
        self._changed = changed

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("trust.list", self.list_),
            ControlMethod("trust.accept", self.accept),
            ControlMethod("trust.forget", self.forget),
        ]

    async def list_(self, _: dict[str, Any]) -> Any:
        """Return every known key, and every revocation."""
        node = self._node
        return {
            "nodeId": node.id,
            "fingerprint": node.identity.fingerprint,
            "digits": node.identity.digits,
            "key": node.identity.key_text,
            "nodes": _entries(node),
            "hidden": list(node.trust.hidden()),
            "revoked": revocations_json(node),
        }

    async def accept(self, params: dict[str, Any]) -> Any:
        """Know a node by the key that a person compared, its present one or one refused."""
        name, shown = required_text(params, "node"), required_text(params, "fingerprint")
        before = self._node.trust.keys(NodeId(name))[:1]
        try:
            entry = self._node.trust.accept(NodeId(name), shown)
        except LocalProtocolError as error:
            raise ExchangeFailure("refused", str(error)) from None
        if before != (entry.sign_public,):
            _drop(self._node, name)
            self._changed()
        return {"nodeId": name, "fingerprint": entry.fingerprint}

    async def forget(self, params: dict[str, Any]) -> Any:
        """Forget a node's key; with ``hide`` true, list the node no more until it is heard."""
        name, hide = required_text(params, "node"), params.get("hide") is True
        node = self._node
        known = node.trust.forget(NodeId(name))
        if hide and (known or node.directory.get(NodeId(name)) is not None):
            node.trust.hide(NodeId(name), now=node.clock.wall())
        elif not known:
            raise ExchangeFailure("not_found", f"no key is known of {name}")
        _drop(self._node, name)
        self._changed()
        return {"nodeId": name}


def _drop(node: Node, name: str) -> None:
    # Link and record under the old key go, so that the new key starts afresh.
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
            "digits": entry.digits,
            "key": entry.key_text,
            "state": str(entry.state),
            "known": entry.known,
            "firstSeen": int(entry.first_seen * 1000),
            "conflicts": conflicts.get(entry.node_id, []),
        }
        for entry in node.trust.entries()
    ]
