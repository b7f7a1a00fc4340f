"""Whether a grant counts for the key that a node has shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from clawmatrix_core import NodeId, read_key_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Known, Node

__all__ = ["SURE", "Keys", "KnownKeys", "KnownToNode"]

SURE: Final[tuple[Known, ...]] = ("accepted", "invited", "introduced")
"""How a key is known that grants without a key count for."""


class KnownKeys(Protocol):
    """What is known of the keys of names: the trust store of a node."""

    def how_known(self, node_id: NodeId, key: str | bytes, /) -> Known:
        """Say how a key is known to be a name's."""

    def retired(self, key: str | bytes, /) -> bool:
        """Say whether a key gave its name over to another. Raises: ValueError."""

    def followed(self, node_id: NodeId, old: str, new: str, /) -> bool:
        """Say whether a name's key is the new one, and this node came to it from the old one."""


class KnownToNode:
    """What a running node knows of keys."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def how_known(self, node_id: NodeId, key: str | bytes, /) -> Known:
        """See ``KnownKeys``."""
        return self._node.trust.how_known(node_id, key)

    def retired(self, key: str | bytes, /) -> bool:
        """See ``KnownKeys``."""
        return self._node.trust.retired(key)

    def followed(self, node_id: NodeId, old: str, new: str, /) -> bool:
        """See ``KnownKeys``."""
        return self._node.trust.followed(node_id, old, new)

    def is_revoked(self, key: bytes) -> bool:
        """Say whether a key was revoked."""
        return self._node.revocations.get(key) is not None


class Keys:
    """Says in words why a key, or a grant under it, counts for nothing."""

    def __init__(self, known: KnownKeys, is_revoked: Callable[[bytes], bool]) -> None:
        self._known = known
        self._is_revoked = is_revoked

    def barred(self, peer: str, key: str | None) -> str | None:
        """Return why whoever shows this key may use nothing at all, None where it may."""
        if key is None:
            return f"{peer} has shown no key"
        try:
            raw = read_key_text(key)
        except ValueError:
            return f"what {peer} has shown is no key"
        if self._is_revoked(raw):
            return f"the key of {peer} was revoked"
        if self._known.retired(raw):
            return f"the key that {peer} has shown gave its name over to another key"
        return None

    def why_not(self, peer: str, key: str | None, granted: str | None) -> str | None:
        """Return why a grant does not count for a key, None where it does.

        ``granted`` is the key of the grant, where it has one.
        """
        if (barred := self.barred(peer, key)) is not None or key is None:
            return barred
        name = NodeId(peer)
        if granted is None:
            known = self._known.how_known(name, key)
            if known in SURE:
                return None
            return (
                f"the key of {peer} is known as {known} only, which proves no name: compare it and"
                f" write `clawmatrix trust accept {peer} FINGERPRINT`, or `clawmatrix grants add"
                f" {peer}`"
            )
        if key == granted or (
            self._known.followed(name, granted, key)
            and not self._is_revoked(read_key_text(granted))
        ):
            return None
        return (
            f"the grant is for another key than {peer} has shown, and this node saw no change from"
            f" one to the other: `clawmatrix grants add {peer}`, once the new key is compared"
        )
