"""Fetches contents from peers that share a workspace. Nothing is given out unchecked."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import ExchangeError, Lane, RemoteProtocolError
from clawmatrix_knowledge.contents.partial import Partial
from clawmatrix_knowledge.contents.wire import (
    ANSWER,
    ASKED,
    BLOCK_COUNT,
    DIGEST,
    LATER,
    BlocksHead,
    BlocksRequest,
    BlocksWanted,
    FetchGroup,
    FetchRequest,
    WrongBytes,
    check_list,
    is_large,
    length_of,
    read_answer,
)
from clawmatrix_knowledge.frame_types import BLOCKS, FETCH
from clawmatrix_knowledge.ids import BLOCK, content_id

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Mapping,
        Sequence,
    )

    from clawmatrix_core import Exchange, Node
    from clawmatrix_knowledge.files.placing import Staged
    from clawmatrix_knowledge.files.port import Files
    from clawmatrix_knowledge.versions import ContentId

__all__ = ["Fetched", "Fetcher", "Source"]

_PATIENCE: Final = 60.0
"""Seconds for which a peer may send nothing, and that a block may take."""
_AT_ONCE: Final = ANSWER // 2
"""Bytes of small contents that one exchange asks for, as their versions tell their sizes."""


@attrs.frozen
class Source:
    """A peer that has contents.

    Attributes:
        peer: its name.
        key: the key that it has to have.
    """

    peer: str
    key: bytes


@attrs.frozen
class Fetched:
    """A content whose bytes are right.

    Attributes:
        content: its id.
        data: the bytes, or for a large content the file with them.
        peer: where the last of it came from; empty where all of it was here.
    """

    content: ContentId
    data: bytes | Staged = attrs.field(repr=False)
    peer: str


class Fetcher:
    """Fetches the contents of one workspace.

    Args:
        node: the node.
        workspace: the name of the workspace.
        files: where unfinished contents are kept.
        sources: returns the peers that may be asked, anew each time.
        blame: told of a peer that sent wrong bytes, and why; it is no source any more then.
        most: bytes that a content may have.

    Attributes:
        told: why contents did not come, by peer; the last word of each.
        bytes_in: bytes of contents that came.
    """

    def __init__(
        self,
        node: Node,
        workspace: str,
        files: Files,
        sources: Callable[[], Awaitable[Sequence[Source]]],
        blame: Callable[[Source, str], Awaitable[None]],
        *,
        most: int = 4 * 1024**3,
    ) -> None:
        self._node, self._workspace, self._files = node, workspace, files
        self._sources, self._blame, self._most = sources, blame, most
        self.told: dict[str, str] = {}
        self.bytes_in = 0

    async def fetch(
        self,
        wanted: Mapping[ContentId, int],
        base: Callable[[ContentId], AsyncGenerator[bytes, None] | None] = lambda _: None,
    ) -> AsyncGenerator[Fetched, None]:
        """Yield contents as they come; those that no peer has now do not come.

        Args:
            wanted: ids, with the sizes that their versions tell.
            base: returns the bytes of an older content of the same file, whose unchanged blocks
                need not come.

        Raises: OSError, where what comes cannot be written.
        """
        left = {content: size for content, size in wanted.items() if not is_large(content)}
        for source in await self._sources():
            asked: set[ContentId] = set()
            while batch := _batch(left, asked):
                found, later = await self._ask(source, batch)
                asked.update(one for one in batch if one not in later or not found)
                for content, data in found.items():
                    del left[content]
                    yield Fetched(content, data, source.peer)
                if source.peer in self.told:
                    break
        for content in wanted:
            if is_large(content):
                fetched = await self._fetch_large(content, base)
                if fetched is not None:
                    yield fetched

    # --- small contents

    async def _ask(
        self, source: Source, contents: Sequence[ContentId]
    ) -> tuple[dict[ContentId, bytes], set[ContentId]]:
        """Return what a peer has of some contents, and which are to be asked for once more."""
        found: dict[ContentId, bytes] = {}
        later: set[ContentId] = set()
        request = FetchRequest(self._workspace, list(contents))

        async def read(ex: Exchange) -> None:
            left = list(contents)
            while left:
                await _read_group(ex, left, found, later)

        await self._exchange(source, FETCH, msgspec.to_builtins(request), read, complete=True)
        self.bytes_in += sum(map(len, found.values()))
        return found, later

    # --- large ones

    async def _fetch_large(
        self, content: ContentId, base: Callable[[ContentId], AsyncGenerator[bytes, None] | None]
    ) -> Fetched | None:
        partial = Partial(self._files, content)
        await partial.resume()
        peer, reused = "", False
        for source in await self._sources():
            while not partial.blocks or partial.ranges():
                before = partial.left

                async def read(ex: Exchange) -> None:
                    nonlocal reused
                    await self._read_list(ex, content, partial)
                    if not reused and (older := base(content)) is not None:
                        await _reuse(partial, older)
                    reused = True
                    await self._read_blocks(ex, partial)

                request = msgspec.to_builtins(BlocksRequest(self._workspace, content))
                fine = await self._exchange(source, BLOCKS, request, read)
                peer = source.peer if partial.left < before else peer
                if not fine or partial.left == before:
                    break
            if partial.blocks and not partial.ranges():
                return Fetched(content, await partial.finish(), peer)
        return None

    async def _read_list(self, ex: Exchange, content: ContentId, partial: Partial) -> None:
        with anyio.fail_after(_PATIENCE * 10):  # the peer may have to read all of it first
            head = read_answer(await ex.receive(), BlocksHead)
        count = -(-head.size // BLOCK)
        if head.size > self._most or count > BLOCK_COUNT:
            raise _NotWanted(f"{content[:12]} has {head.size} bytes, more than are fetched")
        if count < 2:
            raise WrongBytes(f"{head.size} bytes is no size of a content of several blocks")
        data = await _read_bytes(ex, count * DIGEST)
        blocks = check_list(content, head.size, data)
        await partial.begin(head.size, blocks)

    async def _read_blocks(self, ex: Exchange, partial: Partial) -> None:
        ranges = partial.ranges()
        await ex.finish(msgspec.to_builtins(BlocksWanted(list(ranges))))
        for first, many in ranges:
            for number in range(first, first + many):
                block = await _read_bytes(ex, length_of(number, partial.size))
                await partial.put(number, block)
                self.bytes_in += len(block)

    # --- one exchange

    async def _exchange(
        self,
        source: Source,
        type_: str,
        request: object,
        read: Callable[[Exchange], Awaitable[None]],
        *,
        complete: bool = False,
    ) -> bool:
        """Ask a peer; say whether it answered as it should."""
        try:
            async with self._node.exchange(
                source.peer, type_, request, complete=complete, lane=Lane.BULK
            ) as ex:
                await read(ex)
        except WrongBytes as error:
            self.told[source.peer] = str(error)
            if ex.peer_key == source.key:
                await self._blame(source, str(error))
        except (ExchangeError, RemoteProtocolError, _NotWanted) as error:
            self.told[source.peer] = str(error)
        except TimeoutError:
            self.told[source.peer] = f"{source.peer} is too slow"
        else:
            self.told.pop(source.peer, None)
            return True
        return False


class _NotWanted(Exception):
    """A content that is not fetched, for which nobody is to blame."""


def _batch(left: Mapping[ContentId, int], asked: set[ContentId]) -> Sequence[ContentId]:
    """Return what to ask for next: so many, and about so many bytes."""
    batch: list[ContentId] = []
    size = 0
    for content, told in left.items():
        if content in asked:
            continue
        if len(batch) == ASKED or (batch and size + told > _AT_ONCE):
            break
        batch.append(content)
        size += told
    return batch


async def _read_group(
    ex: Exchange,
    left: list[ContentId],
    found: dict[ContentId, bytes],
    later: set[ContentId],
) -> None:
    """Read one group: the next of what is ``left``."""
    with anyio.fail_after(_PATIENCE):
        sizes = read_answer(await ex.receive(), FetchGroup).sizes
    total = sum(size for size in sizes if size > 0)
    if len(sizes) > len(left) or total + sum(map(len, found.values())) > ANSWER + BLOCK:
        raise WrongBytes("more came than was asked for")
    data, at = await _read_bytes(ex, total), 0
    for size in sizes:
        content = left.pop(0)
        if size == LATER:
            later.add(content)
        if size < 0:
            continue
        part, at = data[at : at + size], at + size
        if content_id(part) != content:
            raise WrongBytes(f"the bytes are not those of {content[:12]}")
        found[content] = part


async def _read_bytes(ex: Exchange, size: int) -> bytes:
    """Return so many bytes of a peer. Raises: WrongBytes; TimeoutError; ExchangeError."""
    data = bytearray()
    with anyio.fail_after(_PATIENCE):
        while len(data) < size:
            part = await ex.receive()
            if not isinstance(part, bytes) or len(data) + len(part) > size:
                raise WrongBytes("other bytes came than were told")
            data += part
    return bytes(data)


async def _reuse(partial: Partial, older: AsyncGenerator[bytes, None]) -> None:
    """Take blocks of an older content; where that cannot be read they are fetched."""
    try:
        async with aclosing(older) as parts:
            await partial.reuse(parts)
    except (KeyError, OSError):
        return
