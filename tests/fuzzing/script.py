"""An input read as a script: which message, which change, when. For what is a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.fuzzing.edits import Edit, edited

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Script"]

T = TypeVar("T")


class Script:
    """Gives choices, and bytes; zeros when it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Return that many bytes, or what is left of them."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def number(self, size: int = 1) -> int:
        """Return a number of that many bytes."""
        return int.from_bytes(self.take(size))

    def below(self, most: int) -> int:
        """Return a number below another."""
        return self.number(1 if most <= 256 else 2) % most

    def pick(self, things: Sequence[T]) -> T:
        """Return one of some things."""
        return things[self.below(len(things))]

    def edit(self) -> Edit:
        """Return a change."""
        return Edit(self.number(), self.number(2), self.number(2))

    def mangle(self, message: bytes, others: Sequence[bytes] = ()) -> bytes:
        """Return a message changed, in one to three places."""
        return edited(message, [self.edit() for _ in range(1 + self.below(3))], others)
