"""The index of a workspace: its versions, durable, and what there is to say to peers of them."""

from __future__ import annotations

import secrets
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs

from clawmatrix_knowledge.index.backend import Backend, BackendLost
from clawmatrix_knowledge.index.changes import ENTRIES
from clawmatrix_knowledge.index.format import key_of, read_entry, value_of
from clawmatrix_knowledge.index.graph import Graph
from clawmatrix_knowledge.index.words import (
    Add,
    Added,
    Done,
    Entry,
    Failed,
    Generate,
    Generated,
    Open,
    Opened,
    Receive,
    Received,
    Save,
    Saved,
    Share,
    Unshare,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from clawmatrix_knowledge.index.store import Store, Stored
    from clawmatrix_knowledge.index.words import Request
    from clawmatrix_knowledge.versions import Version

__all__ = ["Index", "IndexBroken", "Refused", "ShareLost", "Taken"]

_ACTOR: Final = 16
_TOLD: Final = 64
_R = TypeVar("_R")


class Refused(Exception):
    """A peer sent what does not fit; nothing of that was kept."""


class ShareLost(Exception):
    """What was said to a peer is forgotten: the share has to be opened again."""


class IndexBroken(Exception):
    """The index cannot go on: what it was asked to keep is not kept."""


@attrs.frozen
class Taken:
    """What a peer's message brought.

    Attributes:
        new: versions that were not known, each after its parents.
    """

    new: Sequence[Version]


class Index:
    """All versions of a workspace.

    Args:
        backend: where the document lives.
        store: where it is kept.
        spare: another backend, in which a snapshot is tried before it is kept.
        in_thread: runs a function that blocks.

    Attributes:
        graph: the versions.
        heads: the hashes of the newest changes; equal where two nodes know the same versions.
        told: what went wrong of late, in words.
    """

    def __init__(
        self,
        backend: Backend,
        store: Store,
        spare: Backend,
        in_thread: Callable[[Callable[[], object]], Awaitable[object]],
    ) -> None:
        self.graph = Graph()
        self.heads: Sequence[bytes] = ()
        self.told: deque[str] = deque(maxlen=_TOLD)
        self._backend, self._store, self._spare = backend, store, spare
        self._in_thread = in_thread
        self._lock = anyio.Lock(fast_acquire=True)
        self._shares: set[str] = set()
        self._actor = secrets.token_bytes(_ACTOR)

    async def open(self) -> None:
        """Read what is stored. Raises: OSError; IndexBroken, where no document can be made."""
        async with self._lock:
            await self._open()

    async def close(self) -> None:
        """End the processes; all is on the disk."""
        await self._backend.close()
        await self._spare.close()

    async def record(self, versions: Sequence[Version]) -> None:
        """Keep new versions of this node, each after its parents; known ones are left out.

        It goes on to its end when cancelled: the document and the disk have the same changes.

        Raises: IndexBroken, where they cannot be kept. What was not kept can be recorded again.
        """
        async with self._lock, _whole():
            known = set[str]()
            new = [v for v in versions if v.id not in self.graph and not _seen(known, v.id)]
            try:
                for at in range(0, len(new), ENTRIES):
                    await self._add(new[at : at + ENTRIES])
                await self._rest()
            except (ShareLost, Refused) as error:
                raise IndexBroken(f"versions could not be recorded: {error}") from None

    async def open_share(self, share: str) -> None:
        """Begin to speak with a peer, from the beginning."""
        async with self._lock:
            await self._ask(Share(share), Done)
            self._shares.add(share)

    async def close_share(self, share: str) -> None:
        """Forget what was said to a peer."""
        async with self._lock:
            if share in self._shares:
                self._shares.discard(share)
                await self._ask(Unshare(share), Done)

    async def message_for(self, share: str) -> bytes | None:
        """Return what there is to say to a peer, None where there is nothing. Raises: ShareLost."""
        async with self._lock:
            self._check(share)
            return (await self._ask(Generate(share), Generated)).message

    async def take(self, share: str, message: bytes) -> Taken:
        """Take a peer's message; what it brought is on the disk on return.

        It goes on to its end when cancelled.

        Raises: Refused, where it does not fit; ShareLost; IndexBroken.
        """
        async with self._lock, _whole():
            self._check(share)
            try:
                got = await self._ask(Receive(share, message), Received)
            except ShareLost:
                raise Refused("a message that the index cannot take") from None
            new = await self._keep(got)
            if got.refused:
                raise Refused(got.refused)
            await self._rest()
            return Taken(new)

    async def export(self) -> bytes:
        """Return the whole document, as Automerge saves it."""
        async with self._lock:
            return (await self._ask(Save(), Saved)).document

    def _check(self, share: str) -> None:
        if share not in self._shares:
            raise ShareLost(share)

    async def _add(self, versions: Sequence[Version]) -> None:
        entries = [Entry(key_of(version), value_of(version)) for version in versions]
        added = await self._ask(Add(self._actor, entries), Added)
        await self._store_changes([added.change])
        for version in versions:
            self.graph.add(version)
        self.heads = added.heads

    async def _keep(self, got: Received) -> list[Version]:
        await self._store_changes(got.changes)
        self.heads = got.heads
        versions = [read_entry(entry.key, entry.text) for entry in got.entries]
        return [version for version in versions if self.graph.add(version)]

    async def _store_changes(self, changes: Sequence[bytes]) -> None:
        try:
            await self._in_thread(lambda: self._store.add(changes))
        except OSError as error:
            # The document knows what the disk does not: it is made anew before a peer hears of it.
            await self._open_again()
            raise IndexBroken(f"the index cannot be written: {error}") from error

    async def _rest(self) -> None:
        """Write a snapshot, where one is due."""
        if not self._store.wants_snapshot:
            return
        saved = await self._ask(Save(), Saved)
        try:
            await self._spare.restart()
            opened = await self._spare.ask(Open(saved.document, []))
        except (BackendLost, OSError) as error:
            self.told.append(f"no snapshot is made: {error}")
            return
        finally:
            await self._spare.close()
        if not isinstance(opened, Opened) or sorted(opened.heads) != sorted(saved.heads):
            self.told.append("a snapshot that was written does not read as it should")
            return
        try:
            await self._in_thread(lambda: self._store.put_snapshot(saved.document))
        except OSError as error:
            self.told.append(f"no snapshot is kept: {error}")

    # --- the document, and what becomes of it

    async def _ask(self, request: Request, kind: type[_R]) -> _R:
        """Return the reply.

        Raises: ShareLost, where the document had to be made anew; IndexBroken, where it cannot be.
        """
        try:
            reply = await self._backend.ask(request)
        except BackendLost as error:
            self.told.append(str(error))
            await self._open_again()
            raise ShareLost(str(error)) from None
        if isinstance(reply, Failed):
            raise Refused(reply.why)
        assert isinstance(reply, kind)
        return reply

    async def _open_again(self) -> None:
        """Make the document anew. Raises: IndexBroken, also where the disk is gone."""
        try:
            await self._open()
        except OSError as error:
            raise IndexBroken(f"the index cannot be read: {error}") from error

    async def _open(self) -> None:
        """Make the document of what is stored. Raises: OSError, IndexBroken."""
        async with _whole():
            await self._open_whole()

    async def _open_whole(self) -> None:
        self._shares.clear()
        self._actor = secrets.token_bytes(_ACTOR)
        stored: Stored | None = None

        def read() -> None:
            nonlocal stored
            stored = self._store.read()

        await self._in_thread(read)
        assert stored is not None
        if stored.torn:
            self.told.append(f"{stored.torn} bytes at the end of the index were not whole")
        opened = await self._opened(stored.snapshot, stored.changes)
        if opened is None and stored.snapshot:
            aside = self._store.set_snapshot_aside()
            self.told.append(f"the index does not read; it is kept as {aside}")
            opened = await self._opened(b"", stored.changes)
        if opened is None:
            raise IndexBroken("no document can be made of what is stored")
        if opened.dropped:
            self.told.append(f"{opened.dropped} changes of the index do not fit")
        self.heads = opened.heads
        for entry in opened.entries:
            self.graph.add(read_entry(entry.key, entry.text))

    async def _opened(self, snapshot: bytes, changes: Sequence[bytes]) -> Opened | None:
        await self._backend.restart()
        try:
            reply = await self._backend.ask(Open(snapshot, list(changes)))
        except BackendLost as error:
            self.told.append(str(error))
            return None
        return reply if isinstance(reply, Opened) else None


@asynccontextmanager
async def _whole() -> AsyncIterator[None]:
    """Let what is begun go on to its end when it is cancelled."""
    with anyio.CancelScope(shield=True):
        yield


def _seen(known: set[str], one: str) -> bool:
    if one in known:
        return True
    known.add(one)
    return False
