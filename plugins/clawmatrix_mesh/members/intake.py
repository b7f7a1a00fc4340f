"""Taking in what neighbours bring, a little at a time, so that no flood of it stops a node."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core import Bound
from clawmatrix_mesh.members.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Link, NodeId

__all__ = ["QUEUE_LIMIT", "Intake"]

_BURST, _REFILL = 256, 256.0
"""Records of one neighbour that are taken at once, and in a second after that. A long record
counts as one more for each ``_UNIT`` characters."""
_UNIT = 2048
_SLICE = 16
"""Records of one neighbour that are taken in a row, of those that had to wait."""
_SLICE_TEXT = 64 * 1024
"""Characters of records that are taken in a row, likewise, and of one message at once; one more
record is begun."""
_PAUSE = 0.01
"""Seconds between two such slices, in which others have their turn."""
QUEUE_LIMIT = Bound(
    8192,
    "records of one neighbour that wait to be taken in",
    fed_by="a member",
    when_full="those beyond are left out, and come again with a digest",
)


class Intake:
    """Takes records at once where they are few, else by turns of the neighbours.

    ``take`` is given one record as it came, and must not raise. ``report`` is called with the
    name of a neighbour that brought more than can wait.
    """

    def __init__(
        self,
        now: Callable[[], float],
        take: Callable[[Any, Link], None],
        report: Callable[[NodeId, str, str], None],
    ) -> None:
        self._pace = Pace(_BURST, _REFILL, now)
        self._take = take
        self._report = report
        self._waiting: dict[Link, deque[Any]] = {}
        self._some = anyio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, link: Link, values: list[Any]) -> None:
        """Take a neighbour's records, in their order: now, or soon."""
        queue, space = self._waiting.get(link), _SLICE_TEXT
        for place, value in enumerate(values):
            at_once = queue is None and space > 0
            if at_once and self._pace.admit(link.peer, 1 + _size(value) / _UNIT):
                space -= _size(value)
                self._take(value, link)
                continue
            if queue is None:
                queue = self._waiting[link] = deque()
                self._some.set()
            if len(queue) >= QUEUE_LIMIT:
                left = f"{len(values) - place} records more than can wait"
                self._report(link.peer, "too_many_records", left)
                return
            queue.append(value)

    async def run(self) -> None:
        """Take what waits, until cancelled."""
        while True:
            self._some = anyio.Event()
            if not self._waiting:
                await self._some.wait()
            for link in tuple(self._waiting):
                self._take_some(link)
            await anyio.sleep(_PAUSE)
            self._pace.tick()

    def _take_some(self, link: Link) -> None:
        queue = self._waiting[link]
        left = _SLICE_TEXT
        for _ in range(min(_SLICE, len(queue))):
            if left <= 0 or link.closing is not None:
                break
            value = queue.popleft()
            left -= _size(value)
            self._take(value, link)
        if not queue or link.closing is not None:
            del self._waiting[link]


def _size(value: Any) -> int:
    text = value.get("record") if isinstance(value, dict) else None
    return len(text) if isinstance(text, str) else 0
