"""Changes that came before those they depend on, which happens between honest nodes too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.index.numbers import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_knowledge.index.changes import Change
    from clawmatrix_knowledge.index.gate import Gate

__all__ = ["HELD", "HELD_BYTES", "Held"]

HELD: Final = 10_000
"""Changes that are held for one peer."""
HELD_BYTES: Final = 64 * 1024**2
"""Bytes of these."""


class Held:
    """The changes of one peer that wait for others."""

    def __init__(self) -> None:
        self._changes: dict[bytes, Change] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, change: Change) -> None:
        """Hold a change. Raises: MalformedError, where they are too many."""
        if change.hash in self._changes:
            return
        self._changes[change.hash] = change
        self._bytes += len(change.data)
        if len(self._changes) > HELD or self._bytes > HELD_BYTES:
            raise MalformedError("too many changes came before those they depend on")

    def ready(self, gate: Gate) -> Iterator[Change]:
        """Yield the changes that can be admitted, and forget them; admit each before the next.

        A change that comes after another one of these is ready once that one is admitted.
        """
        waiting: dict[bytes, list[bytes]] = {}
        ready: list[bytes] = []
        missing: dict[bytes, int] = {}
        for change in self._changes.values():
            lacking = gate.lacks(change)
            missing[change.hash] = len(lacking)
            for one in lacking:
                waiting.setdefault(one, []).append(change.hash)
            if not lacking:
                ready.append(change.hash)
        while ready:
            change = self._changes.pop(ready.pop())
            self._bytes -= len(change.data)
            yield change
            for one in waiting.get(change.hash, ()):
                missing[one] -= 1
                if not missing[one]:
                    ready.append(one)

    def lacking(self, gate: Gate) -> tuple[bytes, ...]:
        """Return what the held changes wait for, sorted."""
        lacking = {one for change in self._changes.values() for one in gate.lacks(change)}
        return tuple(sorted(lacking - self._changes.keys()))
