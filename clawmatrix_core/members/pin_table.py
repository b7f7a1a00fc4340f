"""The pins of all names, and how they are found: by name, key or spelling. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from clawmatrix_core.base.node_id import NodeId

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from clawmatrix_core.members.pins import Pin, PinState

__all__ = ["PinTable"]


class PinTable:
    """Pins by name.

    Attributes:
        stored: the pins, as they are written.
    """

    def __init__(self, pins: dict[NodeId, Pin], forgotten: Iterable[NodeId]) -> None:
        self.stored = pins
        self._alike: dict[str, set[NodeId]] = {}
        for name in (*pins, *forgotten):
            self._alike.setdefault(name.lower(), set()).add(name)
        self._states: Counter[PinState] = Counter()  # how many names are in each
        self._retired: Counter[bytes] = Counter()  # how many names had each key before
        for pin in pins.values():
            self._count(pin, 1)

    def __len__(self) -> int:
        return len(self.stored)

    def get(self, node_id: NodeId) -> Pin | None:
        """Return a name's pin."""
        return self.stored.get(node_id)

    def all(self) -> list[tuple[NodeId, Pin]]:
        """Return the names with their pins, sorted by name."""
        return [(NodeId(name), self.stored[name]) for name in sorted(self.stored)]

    def put(self, node_id: NodeId, pin: Pin) -> None:
        """Give a name a pin."""
        self._alike.setdefault(node_id.lower(), set()).add(node_id)
        if (before := self.stored.get(node_id)) is not None:
            self._count(before, -1)
        self._count(pin, 1)
        self.stored[node_id] = pin

    def pop(self, node_id: NodeId) -> Pin | None:
        """Remove a name's pin; its spelling stays known until ``forget_spelling``."""
        pin = self.stored.pop(node_id, None)
        if pin is not None:
            self._count(pin, -1)
        return pin

    def forget_spelling(self, node_id: NodeId) -> None:
        """Have ``alike`` find a name no more."""
        alike = self._alike[node_id.lower()]
        alike.discard(node_id)
        if not alike:
            del self._alike[node_id.lower()]

    def alike(self, word: str) -> list[NodeId]:
        """Return the names that a word in lower case is but for case, sorted."""
        return sorted(self._alike.get(word, ()))

    def names_of(self, keys: Container[bytes]) -> dict[bytes, list[NodeId]]:
        """Return the names that have, or had, each of these keys."""
        found: dict[bytes, list[NodeId]] = {}
        for name, pin in self.stored.items():
            for key in (pin.key, *pin.past):
                if key in keys:
                    found.setdefault(key, []).append(NodeId(name))
        return found

    def count(self, state: PinState) -> int:
        """Return how many names are in a state."""
        return self._states[state]

    def is_retired(self, key: bytes) -> bool:
        """Say whether a name had a key before its present one."""
        return key in self._retired

    def _count(self, pin: Pin, by: int) -> None:
        self._states[pin.state] += by
        for key in pin.past:
            self._retired[key] += by
            if not self._retired[key]:
                del self._retired[key]
