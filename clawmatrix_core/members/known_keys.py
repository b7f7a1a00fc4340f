"""What is known of the keys of names: all that can be asked of the trust store."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.hidden import Hidden
from clawmatrix_core.members.identity import key_text, read_key_text
from clawmatrix_core.members.pin_table import PinTable
from clawmatrix_core.members.pins import (
    Conflict,
    Known,
    Pin,
    PinState,
    TrustEntry,
    conflict_of,
    entry_of,
    level_of,
)
from clawmatrix_core.members.stored import read_as

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from clawmatrix_core.state.folder import State

__all__ = ["FORGOTTEN", "TRUST", "KnownKeys"]

TRUST, FORGOTTEN = "trust", "forgotten"
"""The files in the state: the pins, and the names that were forgotten with their times."""


class KnownKeys:
    """The pins of a node, as its state has them. Raises: StateError, where it cannot be used."""

    def __init__(self, state: State) -> None:
        self._state = state
        pins = read_as(state, TRUST, dict[NodeId, Pin])
        self._forgotten = read_as(state, FORGOTTEN, dict[NodeId, float])
        self._pins = PinTable(pins, self._forgotten)
        self._hidden = Hidden(state)
        self._introduced: Mapping[NodeId, bytes] = {}

    def keys(self, node_id: NodeId) -> tuple[bytes, ...]:
        """Return a name's key and then its earlier ones, the latest first."""
        pin = self._pins.get(node_id)
        return () if pin is None else (pin.key, *pin.past)

    def names_of(self, keys: Container[bytes]) -> dict[bytes, list[NodeId]]:
        """Return the names that have, or had, each of these keys."""
        return self._pins.names_of(keys)

    def is_retired(self, sign_public: bytes) -> bool:
        """Say whether a key gave its name over to another key."""
        return self._pins.is_retired(sign_public)

    def retired(self, key: str | bytes) -> bool:
        """Say whether a key, its 32 bytes or text, gave its name over to another key.

        Raises: ValueError, for a text that is no key.
        """
        return self.is_retired(key if isinstance(key, bytes) else read_key_text(key))

    def how_known(self, node_id: NodeId, key: str | bytes) -> Known:
        """Say how exactly this key, its 32 bytes or ``ed25519:`` text, is known to be the name's.

        A key that is not the name's present one is hearsay, and so is one that was retired.
        """
        pin = self._pins.get(node_id)
        if pin is None or key not in (pin.key, key_text(pin.key)):
            return "hearsay"
        return self._level(node_id, pin)

    def followed(self, node_id: NodeId, old: str, new: str) -> bool:
        """Say whether a name's present key is ``new``, and this store came to it from ``old``.

        Both are keys as text, and may be the same. That a record lists ``old`` among its earlier
        keys is not enough: this node must have known the name by it.
        """
        pin = self._pins.get(node_id)
        if pin is None or key_text(pin.key) != new:
            return False
        return old == new or old in map(key_text, pin.taken)

    def vouched(self) -> dict[NodeId, bytes]:
        """Return the names with keys that a person accepted, or an invitation bound to them."""
        found = ((name, pin.key) for name, pin in self._pins.all() if pin.vouched)
        return {name: key for name, key in found if not self.is_retired(key)}

    def get(self, node_id: NodeId) -> TrustEntry | None:
        """Return what is known of a name."""
        pin = self._pins.get(node_id)
        return None if pin is None else entry_of(node_id, pin, self._level(node_id, pin))

    def proven_since(self, node_id: NodeId) -> float | None:
        """Return when a name first proved itself here, in seconds since 1970; None for never."""
        pin = self._pins.get(node_id)
        return None if pin is None else pin.proven_since

    def is_forgotten(self, node_id: NodeId) -> bool:
        """Say whether a person forgot a name that had proved itself."""
        return node_id in self._forgotten

    def alike(self, word: str) -> list[NodeId]:
        """Return the names, and forgotten ones, that a word in lower case is but for case."""
        return self._pins.alike(word)

    def acquaintance(self, node_id: NodeId, sign_public: bytes) -> tuple[bool, float]:
        """Return whether a name's key was proved here, and when it was first seen.

        In seconds since 1970; infinite for a key that is not the name's.
        """
        pin = self._pins.get(node_id)
        if pin is None or pin.key != sign_public:
            return False, math.inf
        return pin.state is PinState.PINNED, pin.first_seen

    def entries(self) -> list[TrustEntry]:
        """Return all names, sorted."""
        return [entry_of(name, pin, self._level(name, pin)) for name, pin in self._pins.all()]

    def conflicts(self) -> list[Conflict]:
        """Return all conflicts, sorted by name and then the latest first."""
        return [
            conflict_of(name, rival)
            for name, pin in self._pins.all()
            for rival in sorted(pin.rivals, key=lambda rival: -rival.last_seen)
        ]

    def hidden(self) -> list[NodeId]:
        """Return the names that are not listed, sorted."""
        return self._hidden.all()

    def is_hidden(self, node_id: NodeId) -> bool:
        """Say whether a name is not listed."""
        return node_id in self._hidden

    def _level(self, node_id: NodeId, pin: Pin) -> Known:
        retired = self.is_retired(pin.key)
        return "hearsay" if retired else level_of(pin, self._introduced.get(node_id))
