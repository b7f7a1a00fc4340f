"""How many calls run at a time: of one tool, for one caller, and in all."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.serving.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clawmatrix_tool_proxy.serving.caller import Caller

__all__ = ["ALL_CALLS", "PEER_CALLS", "READING", "Slots"]

PEER_CALLS = Bound(
    32,
    "calls of tools that one caller has under way here",
    fed_by="a member",
    when_full="its next one is refused as busy",
)
ALL_CALLS = Bound(
    256,
    "calls of tools that are under way here",
    fed_by="a member",
    when_full="the next one is refused as busy",
)
READING = Bound(
    64 * 1024**2,
    "bytes of the large arguments of all calls that are under way, and 64 for each value in them;"
    " of one caller half as many",
    fed_by="a member",
    when_full="the next call with large arguments is refused as busy",
)


class Slots:
    """Counts calls. There is no queue: what finds no slot is refused as busy."""

    def __init__(self) -> None:
        self._callers: Counter[Caller] = Counter()
        self._tools: Counter[str] = Counter()
        self._bytes: Counter[Caller] = Counter()

    @property
    def running(self) -> Mapping[str, int]:
        """How many calls of each tool run."""
        return dict(sorted((+self._tools).items()))

    @contextmanager
    def of_caller(self, caller: Caller) -> Iterator[None]:
        """Count a call of somebody inside the block. Raises: Refused ``busy``."""
        if self._callers[caller] >= PEER_CALLS:
            raise Refused("busy", f"{PEER_CALLS} calls of yours are under way here")
        if self._callers.total() >= ALL_CALLS:
            raise Refused("busy", "too many calls are under way here")
        self._callers[caller] += 1
        try:
            yield
        finally:
            self._callers[caller] -= 1
            self._callers += Counter()  # those at 0 go

    def check(self, tool: str, limit: int) -> None:
        """Raise Refused ``busy`` where a tool runs as often as it may."""
        if self._tools[tool] >= limit:
            raise Refused("busy", f"{tool} runs {limit} times, and may not run more often at once")

    @contextmanager
    def of_tool(self, tool: str, limit: int) -> Iterator[None]:
        """Count a tool as running inside the block. Raises: Refused ``busy``."""
        self.check(tool, limit)
        self._tools[tool] += 1
        try:
            yield
        finally:
            self._tools[tool] -= 1

    @contextmanager
    def of_bytes(self, caller: Caller, size: int) -> Iterator[None]:
        """Count bytes of large arguments inside the block. Raises: Refused ``busy``."""
        own, all_of_them = self._bytes[caller] + size, self._bytes.total() + size
        if all_of_them > READING or own > READING // 2:
            raise Refused("busy", "too many large arguments are under way here")
        self._bytes[caller] += size
        try:
            yield
        finally:
            self._bytes[caller] -= size
            self._bytes += Counter()  # those at 0 go
