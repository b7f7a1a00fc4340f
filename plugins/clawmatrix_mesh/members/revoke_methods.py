"""What ``clawmatrix revoke`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import ControlMethod, ExchangeFailure, LocalProtocolError, NodeId
from clawmatrix_mesh.members.params import required_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node
    from clawmatrix_core.spi import SignedRevocation

__all__ = ["RevokeMethods", "revocations_json"]


class RevokeMethods:
    """The methods, over a node's revocations.

    ``issue`` acts on a revocation and spreads it. ``changed`` is called when a node that was
    refused before may now be let in.
    """

    def __init__(
        self, node: Node, issue: Callable[[SignedRevocation], None], changed: Callable[[], None]
    ) -> None:
        self._node = node
        self._issue = issue
        self._changed = changed

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [ControlMethod("revoke.add", self.add), ControlMethod("revoke.undo", self.undo)]

    async def add(self, params: dict[str, Any]) -> Any:
        """Revoke the key that a node is known by."""
        node = self._node
        name, reason = required_text(params, "node"), str(params.get("reason") or "")
        if name == node.id:
            raise ExchangeFailure("refused", f"{name} is this node: revoke it from another one")
        _require_revoker(node)
        entry = node.trust.get(NodeId(name))
        if entry is None:
            raise ExchangeFailure("not_found", f"no key is known of {name}")
        try:
            signed = node.revocations.make(name, entry.sign_public, reason=reason)
        except LocalProtocolError as error:
            raise ExchangeFailure("bad_params", str(error)) from None
        self._issue(signed)
        return {"nodeId": name, "fingerprint": entry.fingerprint}

    async def undo(self, params: dict[str, Any]) -> Any:
        """Let the revoked keys of a node in again: here alone, or everywhere."""
        name, local = required_text(params, "node"), params.get("local") is True
        node = self._node
        found = [k.said for k in node.revocations.all() if k.holds and k.said.node_id == name]
        if not found:
            raise ExchangeFailure("not_found", f"{name} is not revoked here")
        if not local:
            _require_revoker(node)
        for said in found:
            if local:
                node.revocations.ignore(said.key)
            else:
                self._issue(node.revocations.make(name, said.key, revoked=False))
        self._changed()
        return {"nodeId": name, "fingerprints": [said.fingerprint for said in found]}


def revocations_json(node: Node) -> list[dict[str, Any]]:
    """Return every revocation that is known, for status and ``trust list``."""
    return [
        {
            "nodeId": known.said.node_id,
            "fingerprint": known.said.fingerprint,
            "revoked": known.holds,
            "by": known.said.by,
            "at": known.said.at,
            "reason": known.said.reason,
            "undoneHere": known.ignored,
        }
        for known in node.revocations.all()
    ]


def _require_revoker(node: Node) -> None:
    revokers = node.revocations.revokers
    if revokers is not None and node.id not in revokers:
        raise ExchangeFailure(
            "refused", f"{node.id} is none of its own [mesh] revokers: others would not take it"
        )
