"""Which nodes take this node's revocations, as far as their records say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clawmatrix_core import Node, NodeId

__all__ = ["REVOKERS", "Obedience"]

REVOKERS = "revokers"
"""The feature of a node whose record says whom it obeys."""


class Obedience(msgspec.Struct, frozen=True):
    """The other members, sorted by how they treat a revocation of this node.

    Attributes:
        obey: members that put it in force at once.
        ask: members where it waits for a person.
        unknown: members whose records do not say, such as nodes of an older version.
    """

    obey: tuple[NodeId, ...] = ()
    ask: tuple[NodeId, ...] = ()
    unknown: tuple[NodeId, ...] = ()

    @classmethod
    def of(cls, node: Node, about: bytes) -> Obedience:
        """Ask the directory; the node with the revoked key, ``about``, is left out."""
        own = node.directory.get(node.id)
        past = () if own is None else own.record.past_keys()
        obey: list[NodeId] = []
        ask: list[NodeId] = []
        unknown: list[NodeId] = []
        for peer in node.directory.others():
            record = peer.record
            if about in (record.sign_key_bytes(), *record.past_keys()):
                continue
            if about == node.identity.sign_public:
                obey.append(peer.node_id)
            elif REVOKERS not in record.features:
                unknown.append(peer.node_id)
            else:
                obeys = node.revocations.is_obeyed_by(record, past)
                (obey if obeys else ask).append(peer.node_id)
        return cls(tuple(obey), tuple(ask), tuple(unknown))

    def to_json(self) -> dict[str, list[NodeId]]:
        """Return it as the control methods answer."""
        return {"obey": [*self.obey], "ask": [*self.ask], "unknown": [*self.unknown]}
