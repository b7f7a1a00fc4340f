"""What was first seen of the tools of others: what is added or changed later waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON, Node

__all__ = ["Judged", "Pins", "pins_of"]


@attrs.frozen
class Judged:
    """Which tools of an owner are accepted, and which wait."""

    accepted: frozenset[str]
    waiting: Mapping[str, Literal["added", "changed"]]


class Pins:
    """The definitions that were accepted, by owner."""

    def __init__(self) -> None:
        self._pinned: dict[str, dict[str, JSON]] = {}
        self._seen: dict[str, Mapping[str, JSON]] = {}
        self._calls: list[Callable[[], None]] = []

    def judge(self, owner: str, definitions: Mapping[str, JSON]) -> Judged:
        """Say which definitions are accepted; the first ones of an owner all are."""
        pinned = self._pinned.setdefault(owner, dict(definitions))
        self._seen[owner] = definitions
        waiting: dict[str, Literal["added", "changed"]] = {
            name: "changed" if name in pinned else "added"
            for name, one in definitions.items()
            if name not in pinned or pinned[name] != one
        }
        return Judged(frozenset(definitions) - frozenset(waiting), waiting)

    def accept(self, owner: str, names: frozenset[str] | None) -> None:
        """Accept definitions of an owner as they were last seen; None is all."""
        seen = self._seen.get(owner, {})
        self._pinned.setdefault(owner, {}).update(
            {name: one for name, one in seen.items() if names is None or name in names}
        )
        for call in tuple(self._calls):
            call()

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when more is accepted; return what ends that."""
        self._calls.append(call)
        return lambda: self._calls.remove(call) if call in self._calls else None


_PINS: WeakKeyDictionary[Node, Pins] = WeakKeyDictionary()


def pins_of(node: Node) -> Pins:
    """Return the pins of a node."""
    return _PINS.setdefault(node, Pins())
