"""How much work a function does: counted, not timed, so the same on every machine and each time.

What counts is each line of Python that runs, each call of a function that is written in C, and
the bytes that methods of bytes and texts go through. Operators are not seen; ``Seen`` is a piece
of bytes that counts what they copy of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["Seen", "assert_linear", "work_of"]

FACTORS = (10, 100)
SLACK = 1.2
CONSTANT = 3000
"""Work that does not grow: imports on first use, tables that are made once."""
_WALKS_A_LIST = frozenset({"insert", "index", "remove", "count", "sort", "copy", "reverse"})


class _Counter:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self.work = 0

    def __enter__(self) -> _Counter:
        self._before = sys.gettrace(), sys.getprofile()
        _counters.append(self)
        sys.setprofile(self._called)
        sys.settrace(self._stepped)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before[0])
        sys.setprofile(self._before[1])
        _counters.remove(self)

    def _stepped(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "line":
            self.work += 1
        return self._stepped

    def _called(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "c_call":
            return
        self.work += 1
        holder: Any = getattr(argument, "__self__", None)
        walks = isinstance(holder, list) and argument.__name__ in _WALKS_A_LIST
        if walks or isinstance(holder, bytes | bytearray | str):
            self.work += len(holder) // 64


_counters: list[_Counter] = []


class Seen(bytes):
    """Bytes that count what operators copy of them; what is made of them counts too."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return self._copied(found) if isinstance(found, bytes) else found

    def __add__(self, other: Any) -> Seen:
        return self._copied(super().__add__(other))

    def __radd__(self, other: bytes | bytearray) -> Seen:  # type: ignore[misc]  # bytes have none
        if isinstance(other, bytearray):
            return NotImplemented  # it grows in place
        return self._copied(bytes(other) + bytes(self))

    @staticmethod
    def _copied(data: bytes) -> Seen:
        for counter in _counters:
            counter.work += len(data) // 64
        return Seen(data)


def work_of(function: Callable[[Any], object], given: Any) -> int:
    """Return how much work a function does with what it is given."""
    with _Counter() as counter:
        function(given)
    return counter.work


def assert_linear(
    function: Callable[[Any], object], make: Callable[[int], Any], usual: int = 10
) -> None:
    """Hold that 10 and 100 times what is usual is about 10 and 100 times the work.

    Args:
        function: what is measured.
        make: makes what it is given, of a size.
        usual: the size of what is usual.
    """
    function(make(usual))  # what is done once is done
    once = work_of(function, make(usual))
    for factor in FACTORS:
        work = work_of(function, make(usual * factor))
        assert work <= once * factor * SLACK + CONSTANT, f"{factor}x is {work / once:.0f}x the work"
