"""What ``clawmatrix revoke`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import ControlMethod, ExchangeFailure, LocalProtocolError, NodeId
from clawmatrix_mesh.members.obeying import Obedience
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
        key = self._key(name, own=params.get("own") is True)
        obedience = Obedience.of(node, key)
        try:
            signed = node.revocations.make(name, key, reason=reason)
        except LocalProtocolError as error:
            raise ExchangeFailure("bad_params", str(error)) from None
        self._issue(signed)
        return {
            "nodeId": name,
            "fingerprint": signed.read().fingerprint,
            **obedience.to_json(),
        }

    def _key(self, name: str, *, own: bool) -> bytes:
        node = self._node
        if name == node.id:
            if not own:
                raise ExchangeFailure(
                    "refused", f"{name} is this node: --own puts its own key out, for good"
                )
            return node.identity.sign_public
        entry = node.trust.get(NodeId(name))
        if entry is None:
            raise ExchangeFailure("not_found", f"no key is known of {name}")
        return entry.sign_public

    async def undo(self, params: dict[str, Any]) -> Any:
        """Let the revoked keys of a node in again: here alone, or everywhere."""
        name, local = required_text(params, "node"), params.get("local") is True
        node = self._node
        keys = self._held(name)
        if not local and any(node.revocations.is_by_itself(key) for key in keys.values()):
            raise ExchangeFailure(
                "refused",
                f"{name} put its own key out, which no other node takes back: give it a new key,"
                " or let it in at this node only (--local)",
            )
        for key in keys.values():
            if local:
                node.revocations.ignore(key)
            else:
                self._issue(node.revocations.make(name, key, revoked=False))
        self._changed()
        obedience = {} if local else Obedience.of(node, next(iter(keys.values()))).to_json()
        return {"nodeId": name, "fingerprints": [*keys], **obedience}

    def _held(self, name: str) -> dict[str, bytes]:
        """Return the keys of a node that are revoked here, by fingerprint."""
        node = self._node
        held = {k.said.fingerprint: k.said for k in node.revocations.all() if k.holds}
        names = node.trust.names_of({said.key for said in held.values()})
        found = {
            shown: said.key
            for shown, said in held.items()
            if name in (said.node_id, *names.get(said.key, ()))
        }
        if not found:
            raise ExchangeFailure("not_found", f"{name} is not revoked here")
        return found


def revocations_json(node: Node) -> list[dict[str, Any]]:
    """Return those in force and those undone here, for status and ``trust list``."""
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
        if known.ignored or known.in_force
    ]
