"""Writes lists of tools for other nodes: to each what it may use."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_core.spi import Bell
from clawmatrix_tool_proxy.catalog.entries import (
    CatalogHead,
    CatalogRequest,
    entry_of,
    version_of,
)
from clawmatrix_tool_proxy.serving.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from typing import TypeAlias

    from clawmatrix_core import Action, Exchange, Node, NodeId, Verdict
    from clawmatrix_tool_proxy.catalog.entries import Entry
    from clawmatrix_tool_proxy.serving.table import ToolTable

    Authorize: TypeAlias = Callable[[NodeId, str | None, Action, str, None], Awaitable[Verdict]]
    """Answers as ``Node.authorize`` does whether any call of a tool could pass."""

__all__ = ["ALL_READERS", "READERS", "CatalogServer", "entries_for"]

READERS = Bound(
    4,
    "lists of tools that one other node follows here",
    fed_by="a member",
    when_full="one more is refused as busy",
)
ALL_READERS = Bound(
    64,
    "lists of tools that all other nodes follow here",
    fed_by="a member",
    when_full="one more is refused as busy",
)
REST: Final = 0.25
"""Seconds between two looks at whether a list changed, while the policy changes."""


class CatalogServer:
    """Answers whoever asks for the list of tools, and goes on where it is followed."""

    def __init__(self, node: Node, table: ToolTable) -> None:
        self._node, self._table = node, table
        self._readers: Counter[Caller] = Counter()
        self._bell = Bell()
        self._mark = 0

    def changed(self) -> None:
        """Note that lists may read differently now."""
        self._mark += 1
        self._bell.ring()

    async def answer(self, ex: Exchange) -> None:
        """Send the list of a peer, and each later one that reads differently."""
        caller = Caller.of(self._node, ex)
        try:
            request = msgspec.convert(ex.request, CatalogRequest)
        except msgspec.ValidationError as error:
            raise ExchangeFailure("bad_request", str(error)) from None
        with self._counted(caller):
            version = ""
            while True:
                mark = self._mark
                entries = await entries_for(caller, self._table, self._node.authorize)
                if (newest := version_of(entries)) != version:
                    version = newest
                    await _send(ex, version, entries)
                if not request.follow:
                    return
                await self._change(mark)

    async def _change(self, mark: int) -> None:
        await anyio.sleep(REST)
        while mark == self._mark:
            await self._bell.wait()

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        if self._readers[caller] >= READERS or self._readers.total() >= ALL_READERS:
            raise ExchangeFailure("busy", "too many lists are followed here")
        self._readers[caller] += 1
        try:
            yield
        finally:
            self._readers[caller] -= 1
            self._readers += Counter()  # those at 0 go


async def entries_for(caller: Caller, table: ToolTable, authorize: Authorize) -> Sequence[Entry]:
    """Return the list of a caller: the exposed tools of which it may make any call at all."""
    found = []
    for tool in table.all_exposed(own=caller.own):
        if caller.own and tool.name in table.open:
            found.append(entry_of(tool))
            continue
        verdict = await authorize(caller.peer, caller.key, "tool", tool.name, None)
        if verdict.effect != "deny":
            found.append(entry_of(tool))
    return found


async def _send(ex: Exchange, version: str, entries: Sequence[Entry]) -> None:
    await ex.send(msgspec.to_builtins(CatalogHead(version, len(entries))))
    for entry in entries:
        await ex.send(msgspec.to_builtins(entry))
