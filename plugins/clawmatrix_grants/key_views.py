"""What is known of the keys of names, in a node that runs and in the files of one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from clawmatrix_core import NodeId
from clawmatrix_core.spi import StateView, TrustStore
from clawmatrix_grants.keys import KnownKeys, KnownToNode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_core import Known, Node
    from clawmatrix_core.spi import Conflict

__all__ = ["KeyView", "KeysAtRest", "KeysOfNode", "KnownKey"]


@attrs.frozen
class KnownKey:
    """The key of a name, as people compare it, and how it is known."""

    text: str
    fingerprint: str
    digits: str
    known: Known


class KeyView(KnownKeys, Protocol):
    """All that commands and the doctor show of keys."""

    def is_revoked(self, key: bytes, /) -> bool:
        """Say whether a key, its 32 bytes, was revoked."""

    def entry(self, peer: str, /) -> KnownKey | None:
        """Return the key of a name, None where none is known."""

    def conflicts(self, peer: str, /) -> Sequence[Conflict]:
        """Return the other keys that were shown under a name."""


class KeysOfNode(KnownToNode):
    """What a node that runs knows."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._running = node

    def entry(self, peer: str, /) -> KnownKey | None:
        """See ``KeyView``."""
        found = self._running.trust.get(NodeId(peer))
        if found is None:
            return None
        return KnownKey(found.key_text, found.fingerprint, found.digits, found.known)

    def conflicts(self, peer: str, /) -> Sequence[Conflict]:
        """See ``KeyView``."""
        return [one for one in self._running.trust.conflicts() if one.node_id == peer]


class KeysAtRest:
    """What the state folder says; of introductions and revocations it knows nothing.

    Raises: StateError, where the folder cannot be read.
    """

    def __init__(self, state_dir: Path) -> None:
        self._trust = TrustStore(StateView(state_dir))

    def how_known(self, node_id: NodeId, key: str | bytes, /) -> Known:
        """See ``KnownKeys``."""
        return self._trust.how_known(node_id, key)

    def retired(self, key: str | bytes, /) -> bool:
        """See ``KnownKeys``."""
        return self._trust.retired(key)

    def followed(self, node_id: NodeId, old: str, new: str, /) -> bool:
        """See ``KnownKeys``."""
        return self._trust.followed(node_id, old, new)

    def is_revoked(self, key: bytes, /) -> bool:
        """See ``KeyView``."""
        return False

    def entry(self, peer: str, /) -> KnownKey | None:
        """See ``KeyView``."""
        found = self._trust.get(NodeId(peer))
        if found is None:
            return None
        return KnownKey(found.key_text, found.fingerprint, found.digits, found.known)

    def conflicts(self, peer: str, /) -> Sequence[Conflict]:
        """See ``KeyView``."""
        return [one for one in self._trust.conflicts() if one.node_id == peer]
