"""Whether the other end may use the name and the key that it has just proved.

A node that links and a node that joins by an invitation are checked alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.spi import HandshakeError
from clawmatrix_mesh.times import utc_words

if TYPE_CHECKING:
    from clawmatrix_core import Node, NodeRecord
    from clawmatrix_mesh.links.handshake import Proved

__all__ = ["require_good_name"]


def require_good_name(node: Node, proved: Proved, key: bytes) -> None:
    """Check a proved name and its X25519 key against what this node knows.

    Raises: HandshakeError; StateError, from the trust store.
    """
    record = proved.record
    _require_another(node, record, key)
    _require_not_revoked(node, record)
    if not node.directory.admits(record):
        raise HandshakeError(
            f"{record.node_id} shows another key than the one known here:"
            " see `clawmatrix trust list`",
            reason="pin_conflict",
        )


def _require_another(node: Node, record: NodeRecord, key: bytes) -> None:
    """Raises: HandshakeError, where the other end has this node's key or its name."""
    if key == node.identity.channel_public:
        if record.instance == node.instance:
            raise HandshakeError("the address is this node's own", reason="self")
        raise HandshakeError("another running node has this node's key", reason="twin")
    if record.node_id == node.id:
        raise HandshakeError(f"another node is named {node.id}, as this one", reason="pin_conflict")


def _require_not_revoked(node: Node, record: NodeRecord) -> None:
    """Raises: HandshakeError, where the key of the record or one before it is revoked."""
    for key in (record.sign_key_bytes(), *record.past_keys()):
        said = node.revocations.get(key)
        if said is not None:
            raise HandshakeError(
                f"{record.node_id} was revoked by {said.by} {utc_words(said.at)}", reason="revoked"
            )
