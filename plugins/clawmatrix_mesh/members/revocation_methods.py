"""What ``clawmatrix revocations`` calls: those that wait, and what a person decides about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import ControlMethod, ExchangeFailure
from clawmatrix_mesh.members.params import required_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node, NodeId

__all__ = ["RevocationMethods", "all_json", "waiting_json", "waiting_words"]


class RevocationMethods:
    """The methods, over a node's revocations.

    ``settle`` acts on what a decision changed.
    """

    def __init__(self, node: Node, settle: Callable[[], None]) -> None:
        self._node = node
        self._settle = settle

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("revocations.list", self.list_),
            ControlMethod("revocations.accept", self.accept),
            ControlMethod("revocations.reject", self.reject),
        ]

    async def list_(self, params: dict[str, Any]) -> Any:
        """Return those that wait, or with ``all`` every one that is kept."""
        if params.get("all") is not True:
            return waiting_json(self._node)
        return all_json(self._node)

    async def accept(self, params: dict[str, Any]) -> Any:
        """Put one in force at this node: of several alike that wait, the latest."""
        return self._decide(self._found(params)[:1], take=True)

    async def reject(self, params: dict[str, Any]) -> Any:
        """Have it wait no longer: of several alike, all."""
        return self._decide(self._found(params), take=False)

    def _decide(self, found: list[dict[str, Any]], *, take: bool) -> dict[str, Any]:
        for one in found:
            self._node.revocations.decide(one["id"], take=take)
        self._settle()
        return {**found[0], "verdict": "in force" if take else "rejected"}

    def _found(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what was named: one by its id, or all alike that wait, by the node's name."""
        which, node = required_text(params, "which"), self._node
        known = all_json(node)
        by_id = [one for one in known if one["id"] == which]
        named = [one for one in known if one["nodeId"] == which and one["verdict"] == "waits"]
        if not by_id and not named:
            raise ExchangeFailure("not_found", f"no revocation of {which} waits here")
        if len({(one["fingerprint"], one["revoked"]) for one in named}) > 1 and not by_id:
            ids = ", ".join(one["id"] for one in named)
            raise ExchangeFailure("refused", f"several that differ wait for {which}: say {ids}")
        return by_id or named


def waiting_json(node: Node) -> list[dict[str, Any]]:
    """Return the revocations that wait for a person; those of keys that are known here first."""
    return sorted(all_json(node, only_waiting=True), key=lambda one: not one["known"])


def all_json(node: Node, *, only_waiting: bool = False) -> list[dict[str, Any]]:
    """Return all revocations that are kept, by name and then the newest first.

    ``nodeId`` is what the node with the key is called here, and only where nobody here has heard
    of the key what the author calls it: whoever accepts one must not put out another node.
    """
    found = node.revocations.waiting() if only_waiting else node.revocations.all()
    pinned = node.trust.names_of({known.said.key for known in found})
    names = {node.identity.sign_public: [node.id], **pinned}
    return [
        {
            "id": known.id,
            "nodeId": _name(known.said.node_id, names.get(known.said.key, [])),
            "called": known.said.node_id,
            "known": known.said.key in names,
            "fingerprint": known.said.fingerprint,
            "revoked": known.said.revoked,
            "by": known.said.by,
            "at": known.said.at,
            "reason": known.said.reason,
            "verdict": str(known.verdict),
        }
        for known in found
    ]


def _name(called: str, names: list[NodeId]) -> str:
    return called if called in names or not names else names[0]


def waiting_words(one: dict[str, Any]) -> str:
    """Return what a revocation says, for a line about it."""
    called = "" if one["called"] == one["nodeId"] else f' (by the name "{one["called"]}")'
    done = "revoked" if one["revoked"] else "let in again"
    why = f" ({one['reason']})" if one["reason"] else ""
    unknown = "" if one["known"] else ", whose key is not known here,"
    return f"{one['nodeId']}{called}{unknown} was {done} by {one['by']}{why}"
