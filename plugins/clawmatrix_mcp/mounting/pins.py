"""A stand-in for the pins of tool-proxy: what is first seen of an owner is accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON, Node

__all__ = ["Judged", "Pins", "pins_of"]


@attrs.frozen
class Judged:
    """What is accepted, and what waits."""

    accepted: frozenset[str]
    waiting: Mapping[str, Literal["added", "changed"]]


class Pins:
    """Pins in memory."""

    def __init__(self) -> None:
        self._pinned: dict[str, dict[str, str]] = {}

    def judge(self, owner: str, definitions: Mapping[str, JSON]) -> Judged:
        """Say which may be listed."""
        told = {name: json.dumps(one, sort_keys=True) for name, one in definitions.items()}
        if told:
            self._pinned.setdefault(owner, dict(told))
        pins = self._pinned.get(owner, {})
        waiting: dict[str, Literal["added", "changed"]] = {
            name: "changed" if name in pins else "added"
            for name, one in told.items()
            if pins.get(name) != one
        }
        return Judged(frozenset(told.keys() - waiting.keys()), waiting)

    def when_changed(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Nothing changes."""
        return lambda: None


def pins_of(node: Node) -> Pins:
    """Return new ones."""
    return Pins()
