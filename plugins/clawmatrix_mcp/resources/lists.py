"""Writes lists of resources and prompts for other nodes: to each what it may use."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec
from anyio.lowlevel import checkpoint

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_core.spi import Bell
from clawmatrix_mcp.resources.wire import ENTRIES, ENTRY, LIST, ListHead, ListRequest
from clawmatrix_tool_proxy.api import Caller, marks_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core import Exchange, Node
    from clawmatrix_mcp.resources.servers import Exposed
    from clawmatrix_mcp.resources.wire import Entry

__all__ = ["ALL_READERS", "READERS", "ListServer"]

READERS = Bound(
    4,
    "lists of resources and prompts that one other node follows here",
    fed_by="a member",
    when_full="one more is refused as busy",
)
ALL_READERS = Bound(
    64,
    "lists of resources and prompts that all other nodes follow here",
    fed_by="a member",
    when_full="one more is refused as busy",
)
REST: Final = 0.25
"""Seconds between two looks at whether a list changed, while the policy changes."""
_BREATH: Final = 50
"""Entries after which other work of the node gets its turn."""
_VALUE: Final = 64


@attrs.frozen
class _Told:
    """A list as it is sent."""

    entries: Sequence[Entry]
    more: int
    version: str


class ListServer:
    """Answers whoever asks for the list of resources and prompts, and goes on where it is followed.

    Attributes:
        left_out: how many entries the newest list left out, as it would have been too large.
    """

    def __init__(self, node: Node, exposed: Exposed) -> None:
        self._node, self._exposed = node, exposed
        self._readers: Counter[Caller] = Counter()
        self._bell = Bell()
        self._mark = 0
        self.left_out = 0

    def changed(self) -> None:
        """Note that lists may read differently now."""
        self._mark += 1
        self._bell.ring()

    async def answer(self, ex: Exchange) -> None:
        """Send the list of a peer, and each later one that reads differently."""
        caller = Caller.of(self._node, ex)
        try:
            request = msgspec.convert(ex.request, ListRequest)
        except msgspec.ValidationError as error:
            raise ExchangeFailure("bad_request", str(error)) from None
        with self._counted(caller):
            version = ""
            while True:
                mark = self._mark
                told = await self._list(caller)
                if told.version != version:
                    version = told.version
                    await _send(ex, told)
                if not request.follow:
                    return
                await self._change(mark)

    async def _list(self, caller: Caller) -> _Told:
        """Return what is exposed and what the caller may use in any way at all."""
        found: list[Entry] = []
        size = more = 0
        digest = hashlib.sha256()
        for number, (target, entry) in enumerate(self._exposed.entries()):
            if number % _BREATH == 0:
                await checkpoint()
            if await self._is_denied(caller, target):
                continue
            encoded = msgspec.json.encode(entry)
            takes = len(encoded) + _VALUE * marks_in(encoded, 0)
            if len(encoded) > ENTRY or len(found) >= ENTRIES or size + takes > LIST:
                more += 1
                continue
            size += takes
            digest.update(encoded)
            found.append(entry)
        self._note(more)
        return _Told(found, more, f"{digest.hexdigest()[:32]}-{more}")

    async def _is_denied(self, caller: Caller, target: str) -> bool:
        verdict = await self._node.authorize(caller.peer, caller.key, "resource", target, None)
        return verdict.effect == "deny"

    def _note(self, more: int) -> None:
        if more and more != self.left_out:
            words = "%d resources and prompts are left out of a list, which would be too large"
            self._node.logger("mcp").warning(words, more)
        self.left_out = more

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


async def _send(ex: Exchange, told: _Told) -> None:
    await ex.send(msgspec.to_builtins(ListHead(told.version, len(told.entries), told.more)))
    for entry in told.entries:
        await ex.send(msgspec.to_builtins(entry))
