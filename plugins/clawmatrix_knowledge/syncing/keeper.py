"""Keeps one workspace of this machine alike with its index, for as long as the node runs."""

from __future__ import annotations

import math
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
import anyio.to_thread
import msgspec

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.traits import OWN, Unsupported, make_own_folder
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.files.watching import Watcher
from clawmatrix_knowledge.index.index import Index, IndexBroken
from clawmatrix_knowledge.index.store import Store
from clawmatrix_knowledge.syncing.local import LocalStore
from clawmatrix_knowledge.syncing.marks import (
    Mark,
    compared,
    fresh_mark,
    read_mark,
    this_boot,
    write_mark,
)
from clawmatrix_knowledge.syncing.owning import Taken, owned
from clawmatrix_knowledge.syncing.workspace import Options, Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from clawmatrix_knowledge.contents.fetching import Fetched
    from clawmatrix_knowledge.files.port import Files, Names
    from clawmatrix_knowledge.index.backend import Backend
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Change", "Keeper", "State"]

State: TypeAlias = Literal["starting", "running", "emptied", "waiting", "refused"]
AGAIN: Final = 5.0
"""Seconds after which a workspace that could not be opened is tried again."""
_TOGETHER: Final = 0.02
"""Seconds in which changes that follow each other are taken together."""
_BYTES: Final = 32 * 1024**2
_FILES: Final = 500
_OFTEN: Final = 0.5
"""Seconds between two looks at whether the index has more, while files are read."""
_RESTLESS: Final = 1.0
"""Seconds after which a file that changed while it was read is read again."""
_RETRY: Final = 30.0
"""Seconds after which what could not be done is tried again."""


class Change(msgspec.Struct, frozen=True):
    """Files that changed together, as the status shows them.

    Attributes:
        time: seconds since 1970, by the clock of this node.
        peer: the node that says that it changed them.
        files: how many.
        path: one of them.
    """

    time: float
    peer: str
    files: int
    path: str


class _Wake:
    """Wakes a loop, once for all that came while it was busy."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for it, for so long; say whether it came."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        came = self._event.is_set()
        self._event = anyio.Event()
        return came


class Keeper:
    """A workspace, as the node has it. It is a Shares.

    Args:
        name: its name.
        root: the folder.
        peers: who shares it.
        options: what is configured.
        rescan: seconds between two looks at all files.
        backend: makes a place where its index lives.
        kept: the mark that the node has of it.
        keep: keeps that mark.
        now: returns seconds since 1970.
        tell: told of versions that were recorded or written.

    Attributes:
        state: what it does.
        why: what is in the way, in words.
        last: the last change since the node started; None before.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        peers: Sequence[str],
        options: Options,
        *,
        rescan: float,
        backend: Callable[[], Backend],
        kept: Mark | None,
        keep: Callable[[Mark], Awaitable[None]],
        now: Callable[[], float],
        tell: Callable[[Sequence[Version]], Awaitable[None]],
    ) -> None:
        self.name, self.root, self.peers = name, root, peers
        self.state: State = "starting"
        self.why = ""
        self.last: Change | None = None
        self._options, self._rescan, self._backend = options, rescan, backend
        self._kept, self._keep, self._now, self._tell = kept, keep, now, tell
        self._files = RealFiles(root)
        self._space: Workspace | None = None
        self._places: set[Names] = set()
        self._whole = True
        self._work, self._fetch = _Wake(), _Wake()
        self._changed: Callable[[], None] = lambda: None
        self._opened: Callable[[], Awaitable[None]] | None = None
        self._closed: Callable[[], None] = lambda: None
        self._fetcher: _Fetch | None = None
        self._announced: Sequence[bytes] = ()

    @property
    def files(self) -> Files:
        """The file system of the root."""
        return self._files

    @property
    def space(self) -> Workspace | None:
        """The workspace while it is open."""
        return self._space

    @property
    def index(self) -> Index:
        """The versions. Only asked for while it is open."""
        assert self._space is not None
        return self._space.index

    def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes]:
        """See Shares."""
        if self._space is None:
            raise KeyError(content)
        return self._space.read(content, offset)

    async def received(self, versions: Sequence[Version]) -> None:
        """See Shares."""
        if self._space is not None:
            await self._space.received(versions)
            self._work.set()

    def rescan(self) -> None:
        """Look at all files soon."""
        self._whole = True
        self._work.set()

    async def run(
        self,
        fetch: _Fetch,
        *,
        opened: Callable[[], None],
        changed: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        """Keep it, until cancelled.

        Args:
            fetch: fetches contents from peers.
            opened: called when it can be shared.
            changed: called when its index has more.
            closed: called when it cannot be shared any more.
        """
        self._fetcher, self._changed, self._closed = fetch, changed, closed
        while True:
            try:
                await self._run_once(opened)
            except (Unsupported, Taken) as error:
                self.state, self.why = "refused", str(error)
            except (OSError, IndexBroken) as error:
                self.state, self.why = "waiting", str(error)
            await anyio.sleep(AGAIN)

    async def _run_once(self, opened: Callable[[], None]) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"the folder {self.root} is not there")
        self._files.pin(None)
        verdict, mark = await anyio.to_thread.run_sync(self._look)
        if verdict == "emptied":
            self.state = "emptied"
            self.why = (
                f"{self.root} is empty, and was not: is its disk mounted? If all is lost, put a"
                " file there, and the rest is fetched from the peers"
            )
            return
        with owned(self.root, f"the node {self._options.author} ({self.name})"):
            space = await self._open(joins=verdict == "joins", mark=mark)
            try:
                self._space, self.state, self.why = space, "running", ""
                opened()
                await self._go_on(space, mark)
            finally:
                self._space = None
                self._closed()
                with anyio.CancelScope(shield=True), suppress(OSError, IndexBroken):
                    await space.close()
                    await self._keep_mark(space, mark, clean=True)

    async def _go_on(self, space: Workspace, mark: Mark) -> None:
        """Keep it alike. Raises: OSError, IndexBroken, where it cannot go on."""
        broken: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            tasks.start_soon(self._fetch_loop)
            tasks.start_soon(self._announce_often, space)
            try:
                await self._loop(space, mark)
            except (OSError, IndexBroken) as error:
                broken = error
            tasks.cancel_scope.cancel()
        if broken is not None:
            raise broken

    def _look(self) -> tuple[str, Mark]:
        """Say whether the folder is what it was, and return its mark. Blocks."""
        shelf = FilesShelf(self._files)
        root = self._files.stat(())
        assert root is not None
        has_own = self._files.stat(OWN) is not None
        here = read_mark(shelf) if has_own else None
        restored = LocalStore(shelf).read() if has_own else None
        files = sum(1 for entry in self._files.list(()) if entry.name != OWN[0])
        verdict = compared(
            here,
            self._kept,
            inode=root.inode,
            counter=0 if restored is None else restored.counter,
            files=files,
        )
        if verdict == "same" and here is not None:
            return verdict, here
        mark = fresh_mark(root.inode)
        if verdict == "joins":
            make_own_folder(self._files)
            write_mark(shelf, mark)
        return verdict, mark

    async def _open(self, *, joins: bool, mark: Mark) -> Workspace:
        self._files.pin(mark.inode)
        tree = await Tree.open(self._files)
        index = Index(
            self._backend(),
            Store(FilesShelf(self._files)),
            self._backend(),
            anyio.to_thread.run_sync,
        )
        space = await Workspace.open(
            tree,
            index,
            self._options,
            self._now,
            joins=joins,
            suspicious=self._kept is not None and self._kept.lost_power(this_boot()),
        )
        await self._keep_mark(space, mark)
        return space

    async def _keep_mark(self, space: Workspace, mark: Mark, *, clean: bool = False) -> None:
        """Tell the node's state of the workspace; that in the workspace was written before."""
        files = len(space.local)
        kept = Mark(mark.id, mark.inode, space.counter, files, this_boot(), clean)
        if kept != self._kept:
            self._kept = kept
            await self._keep(kept)

    async def _loop(self, space: Workspace, mark: Mark) -> None:
        due = kept = 0.0
        while True:
            if self._whole or anyio.current_time() >= due:
                places: set[Names] | None = None
                due = anyio.current_time() + self._rescan
            else:
                places = self._places
            self._places, self._whole = set(), False
            await (space.settle() if places is not None and not places else space.work(places))
            self._announce(space)
            news = space.take_news()
            if news:
                await self._tell(news)
            if space.missing:
                self._fetch.set()
            if anyio.current_time() >= kept + AGAIN:
                kept = anyio.current_time()
                await self._keep_mark(space, mark)
            wait = min(due - anyio.current_time(), _RESTLESS if space.moving else _RETRY)
            self._places |= {tuple(path.split("/")) for path in space.moving}
            if await self._work.wait(max(0.0, wait)):
                await anyio.sleep(_TOGETHER)

    async def _announce_often(self, space: Workspace) -> None:
        """Let peers begin to fetch while much is recorded still."""
        while True:
            await anyio.sleep(_OFTEN)
            self._announce(space)

    def _announce(self, space: Workspace) -> None:
        if self._announced != space.index.heads:
            self._announced = space.index.heads
            self._changed()

    async def _watch(self) -> None:
        """Notice changes; where it cannot, the rescans find them."""
        watcher = Watcher(self.root)
        try:
            async for noticed in watcher.notices():
                self._places |= noticed.places | noticed.unwatched
                self._work.set()
        except OSError as error:
            self.why = f"changes are noticed late: {error}"
        finally:
            watcher.stop()

    async def _fetch_loop(self) -> None:
        while True:
            await self._fetch.wait(math.inf)
            space, fetch = self._space, self._fetcher
            if space is None or fetch is None:
                continue
            try:
                await self._fetch_some(space, fetch)
            except (OSError, IndexBroken) as error:
                self.why = f"what is fetched cannot be written: {error}"
            self._work.set()

    async def _fetch_some(self, space: Workspace, fetch: _Fetch) -> None:
        files = size = 0
        async with aclosing(fetch(space.missing)) as found:
            async for one in found:
                space.take_fetched(one.content, one.data)
                files += 1
                size += len(one.data) if isinstance(one.data, bytes) else 0
                if files >= _FILES or size >= _BYTES:
                    files = size = 0
                    await space.settle()


_Fetch: TypeAlias = "Callable[[Mapping[ContentId, int]], AsyncGenerator[Fetched]]"
