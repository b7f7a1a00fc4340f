"""Whose revocations count at a node: those of the names and keys that a person named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.members.trust import TrustStore

__all__ = ["Revokers", "key_word"]

_WORD = 19
"""Characters of a fingerprint that stand in a record: 80 bits."""


def key_word(sign_public: bytes) -> str:
    """Return the short word by which a record names a key."""
    return fingerprint(sign_public)[:_WORD]


class Revokers:
    """The names that a person gave, each with a key, and the keys that followed these.

    A name's later key counts where the trust store has seen each key since the one named sign
    for the next.

    Attributes:
        named: what the person gave: Ed25519 public keys by name.
    """

    def __init__(self, trust: TrustStore) -> None:
        self.named: Mapping[str, bytes] = {}
        self._trust = trust

    def __repr__(self) -> str:
        return f"<Revokers {', '.join(sorted(self.named)) or 'nobody'}>"

    def counts(self, name: str, key: bytes) -> bool:
        """Say whether the word of a name under a key counts."""
        named = self.named.get(name)
        return named is not None and (key == named or key in self._later(name, named))

    def keys(self) -> dict[str, bytes]:
        """Return the names with their present keys."""
        return {name: (*self._later(name, key), key)[0] for name, key in self.named.items()}

    def words(self) -> tuple[str, ...]:
        """Return short words for the present keys, as a record has them."""
        return tuple(sorted(map(key_word, self.keys().values())))

    def _later(self, name: str, named: bytes) -> tuple[bytes, ...]:
        """Return the keys that the name has had since the one named, the present key first."""
        keys = self._trust.keys(NodeId(name))
        return keys[: keys.index(named)] if named in keys else ()
