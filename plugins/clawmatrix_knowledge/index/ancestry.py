"""Which changes come before which."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ChangeOrder"]

_REMEMBERED: Final = 256
_STEP: Final = 64


class ChangeOrder:
    """The changes of a document by number, each after those it depends on.

    A set of changes is an int whose bits are their numbers. That of the changes before a change is
    kept for the last few, and for every 64th change, so that a walk from any change ends soon.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._before: list[tuple[int, ...]] = []
        self._kept: dict[int, int] = {}
        self._recent: OrderedDict[int, int] = OrderedDict()

    def __contains__(self, change: object) -> bool:
        return change in self._numbers

    def __len__(self) -> int:
        return len(self._before)

    def number(self, change: bytes) -> int:
        """Return the number of a change. Raises: KeyError."""
        return self._numbers[change]

    def add(self, change: bytes, dependencies: Iterable[bytes]) -> int:
        """Add a change whose dependencies are there, and return its number. Raises: KeyError."""
        before = tuple(self._numbers[one] for one in dependencies)
        number = len(self._before)
        known = self.set_of(before)
        self._numbers[change] = number
        self._before.append(before)
        self._remember(number, known)
        return number

    def set_of(self, numbers: Iterable[int]) -> int:
        """Return the set of some changes and of all that come before them."""
        found = 0
        for number in numbers:
            if not found >> number & 1:
                found |= self._set_before(number) | 1 << number
        return found

    def _set_before(self, number: int) -> int:
        known = self._known(number)
        if known is not None:
            return known
        found, seen, waiting = 0, {number}, list(self._before[number])
        while waiting:
            one = waiting.pop()
            if one in seen or found >> one & 1:
                continue
            seen.add(one)
            known = self._known(one)
            if known is None:
                waiting += self._before[one]
            else:
                found |= known
        for one in seen - {number}:
            found |= 1 << one
        self._remember(number, found)
        return found

    def _known(self, number: int) -> int | None:
        kept = self._kept.get(number)
        return self._recent.get(number) if kept is None else kept

    def _remember(self, number: int, before: int) -> None:
        if number % _STEP == 0:
            self._kept[number] = before
            return
        self._recent[number] = before
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
