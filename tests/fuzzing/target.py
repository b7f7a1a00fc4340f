"""What is fuzzed: a function of bytes, and what may come out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SIZE_LIMIT", "Target"]

SIZE_LIMIT = 64 * 1024
"""Bytes of an input at most: as many as a stranger may send, and slow code shows already."""


@attrs.frozen
class Target:
    """One way for bytes to come in.

    Attributes:
        name: what it is called on the command line and in reports.
        run: takes an input; the same one always does the same. What it asserts has to hold.
        seeds: real inputs, from which others are made.
        errors: what may come out of it. Anything else is a bug.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    errors: tuple[type[Exception], ...] = ()

    def try_(self, data: bytes) -> bool:
        """Feed an input; return whether it was taken without an error."""
        try:
            self.run(data[:SIZE_LIMIT])
        except self.errors:
            return False
        return True
