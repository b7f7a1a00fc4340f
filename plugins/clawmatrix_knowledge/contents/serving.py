"""Sends contents to peers that share a workspace. What is sent was checked here first."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_knowledge.contents.wire import (
    ANSWER,
    BLOCK_COUNT,
    DIGEST,
    LATER,
    MISSING,
    BlocksHead,
    BlocksRequest,
    BlocksWanted,
    FetchGroup,
    FetchRequest,
    check_ranges,
    length_of,
    read_request,
)
from clawmatrix_knowledge.frame_types import FETCH
from clawmatrix_knowledge.ids import BLOCK, ContentHasher, content_id
from clawmatrix_knowledge.versions import ContentId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from clawmatrix_core import Exchange
    from clawmatrix_knowledge.shares import Doorkeeper, Shares

__all__ = ["ALL_FETCHES", "FETCHES", "LISTS", "BlockLists", "ContentServer"]

FETCHES = Bound(
    4,
    "fetches of contents of one other node that are answered at a time",
    fed_by="a member",
    when_full="its next one is refused as busy",
)
ALL_FETCHES = Bound(
    32,
    "fetches of contents that are answered at a time",
    fed_by="a member",
    when_full="the next one is refused as busy",
)
LISTS = Bound(
    16 * 1024**2,
    "bytes of digests of the blocks of contents that are kept in memory",
    fed_by="a member",
    when_full="those that were not used for longest are forgotten, and made again",
)
_PATIENCE: Final = 60.0
"""Seconds that a peer has to take a block, or to say what it wants."""
_GROUP: Final = 256 * 1024
"""Bytes of contents after which a group goes out."""


@attrs.frozen
class _Listed:
    size: int
    digests: bytes = attrs.field(repr=False)


class BlockLists:
    """The digests of the blocks of contents, as they were found when these were read."""

    def __init__(self) -> None:
        self._known: OrderedDict[ContentId, _Listed] = OrderedDict()
        self._bytes = 0

    def put(self, content: ContentId, size: int, blocks: Sequence[bytes]) -> None:
        """Note the digests of a content that was read."""
        self.get(content)
        if content not in self._known:
            self._known[content] = _Listed(size, b"".join(blocks))
            self._bytes += DIGEST * len(blocks)
        while self._bytes > LISTS:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= len(oldest.digests)

    def get(self, content: ContentId) -> _Listed | None:
        """Return the size and the digests of a content, None where they are not known."""
        found = self._known.get(content)
        if found is not None:
            self._known.move_to_end(content)
        return found

    async def find(self, shares: Shares, content: ContentId) -> _Listed:
        """Return the size and the digests of a content. Raises: ExchangeFailure ``not_here``."""
        if (known := self.get(content)) is not None:
            return known
        hasher = ContentHasher()
        try:
            async with aclosing(shares.read(content)) as parts:
                async for part in parts:
                    hasher.update(part)
        except (KeyError, OSError):
            raise _not_here() from None
        if hasher.digest() != content or len(hasher.blocks) > BLOCK_COUNT:
            raise _not_here()
        self.put(content, hasher.size, hasher.blocks)
        return self.get(content) or _Listed(hasher.size, b"".join(hasher.blocks))


class ContentServer:
    """Answers fetches.

    Args:
        door: decides who may have what.
        lists: digests of blocks that are known.
        most: fetches that are answered at a time.
    """

    def __init__(
        self, door: Doorkeeper, lists: BlockLists | None = None, most: int = ALL_FETCHES
    ) -> None:
        self._door, self._lists, self._most = door, lists or BlockLists(), most
        self._running: Counter[bytes | None] = Counter()

    async def answer(self, ex: Exchange) -> None:
        """Answer one: the handler of both exchanges."""
        if ex.type == FETCH:
            asked = read_request(ex.request, FetchRequest)
            async with self._door.admitted(ex, asked.workspace) as shares:
                with self._counted(ex):
                    await self._send_small(ex, shares, asked.contents)
        else:
            large = read_request(ex.request, BlocksRequest)
            async with self._door.admitted(ex, large.workspace) as shares:
                with self._counted(ex):
                    await self._send_large(ex, shares, ContentId(large.content))

    @contextmanager
    def _counted(self, ex: Exchange) -> Iterator[None]:
        if self._running[ex.peer_key] >= FETCHES or self._running.total() >= self._most:
            raise ExchangeFailure("busy", "too many contents are fetched here at this time")
        self._running[ex.peer_key] += 1
        try:
            yield
        finally:
            self._running[ex.peer_key] -= 1
            self._running += Counter()  # those at 0 go

    async def _send_small(self, ex: Exchange, shares: Shares, contents: Sequence[str]) -> None:
        sizes: list[int] = []
        group, sent = bytearray(), 0
        for content in contents:
            if sent >= ANSWER:
                sizes.append(LATER)
                continue
            data = await _whole(shares, ContentId(content))
            sizes.append(MISSING if data is None else len(data))
            group += data or b""
            sent += len(data or b"")
            if len(group) >= _GROUP:
                await _send_group(ex, sizes, bytes(group))
                sizes, group = [], bytearray()
        if sizes:
            await _send_group(ex, sizes, bytes(group))

    async def _send_large(self, ex: Exchange, shares: Shares, content: ContentId) -> None:
        found = await self._lists.find(shares, content)
        with _patience():
            await ex.send(msgspec.to_builtins(BlocksHead(found.size)), found.digests)
        with _patience():
            told = await ex.receive()
        wanted = read_request(told, BlocksWanted)
        check_ranges(wanted.ranges, len(found.digests) // DIGEST)
        for first, many in wanted.ranges:
            await self._send_run(ex, shares, content, found, range(first, first + many))

    async def _send_run(
        self, ex: Exchange, shares: Shares, content: ContentId, found: _Listed, run: range
    ) -> None:
        numbers = iter(run)
        async with aclosing(_blocks(shares, content, found.size, run)) as blocks:
            async for block in blocks:
                at = next(numbers) * DIGEST
                if hashlib.sha256(block).digest() != found.digests[at : at + DIGEST]:
                    raise _not_here()
                with _patience():
                    await ex.send(block)
        if next(numbers, None) is not None:
            raise _not_here()


async def _send_group(ex: Exchange, sizes: list[int], data: bytes) -> None:
    with _patience():
        await ex.send(msgspec.to_builtins(FetchGroup(sizes)), data or None)


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a peer that neither reads nor asks, so that it holds no place."""
    with anyio.move_on_after(_PATIENCE) as scope:
        yield
    if scope.cancelled_caught:
        raise ExchangeFailure("too_slow", "the other end does not go on")


async def _whole(shares: Shares, content: ContentId) -> bytes | None:
    """Return the bytes of a small content, None where they are not here."""
    data = bytearray()
    try:
        async with aclosing(shares.read(content)) as parts:
            async for part in parts:
                data += part
                if len(data) > BLOCK:
                    return None
    except (KeyError, OSError):
        return None
    return bytes(data) if content_id(bytes(data)) == content else None


async def _blocks(
    shares: Shares, content: ContentId, size: int, run: range
) -> AsyncGenerator[bytes, None]:
    """Yield blocks of a content. Raises: ExchangeFailure, where they are not here any more."""
    numbers, data = iter(run), bytearray()
    number = next(numbers)
    try:
        async with aclosing(shares.read(content, run.start * BLOCK)) as parts:
            async for part in parts:
                data += part
                while len(data) >= (length := length_of(number, size)):
                    yield bytes(data[:length])
                    del data[:length]
                    following = next(numbers, None)
                    if following is None:
                        return
                    number = following
    except (KeyError, OSError):
        raise _not_here() from None


def _not_here() -> ExchangeFailure:
    return ExchangeFailure("not_here", "the content is not here, or changed while it was read")
