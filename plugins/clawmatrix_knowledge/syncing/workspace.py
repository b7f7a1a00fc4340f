"""One workspace: its files, its index, and what goes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_knowledge.contents.history import History
from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.syncing.engine import Engine, Options
from clawmatrix_knowledge.syncing.ground import Ground
from clawmatrix_knowledge.syncing.halts import Halt, StateStore
from clawmatrix_knowledge.syncing.local import UNKNOWN, Local, LocalStore
from clawmatrix_knowledge.syncing.recording import Recorder
from clawmatrix_knowledge.syncing.sources import Sources

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )

    from clawmatrix_knowledge.files.placing import Staged
    from clawmatrix_knowledge.files.port import Names, Stat
    from clawmatrix_knowledge.files.problems import Problem
    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.files.tree import StagedFile, Tree
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Options", "Workspace"]

RESTLESS: Final = 10.0
"""Seconds after which a file that does not rest is recorded as it begins."""
_ROUNDS: Final = 50
_SHOWN: Final = 20


class Workspace:
    """A workspace that is open, made by ``Workspace.open``.

    Attributes:
        index: its versions.
        told: what went wrong as it was opened, in words.
    """

    def __init__(self, ground: Ground, options: Options, engine: Engine) -> None:
        self._ground, self._options, self._engine = ground, options, engine
        self.index = ground.index
        self.told: list[str] = []
        self._lock = anyio.Lock()

    @classmethod
    async def open(
        cls,
        tree: Tree,
        index: Index,
        options: Options,
        now: Callable[[], float],
        *,
        joins: bool = False,
        suspicious: bool = False,
    ) -> Workspace:
        """Read what is kept of a workspace.

        Args:
            tree: its files.
            index: its versions, not open yet; of ``.clawmatrix`` of the same files.
            options: what is configured.
            now: returns seconds since 1970.
            joins: whether what is known of the files is of another time or place, and is left.
            suspicious: whether power may have been lost, so that files may not be what was written.

        Raises: OSError; IndexBroken.
        """
        files, shelf = tree.files, FilesShelf(tree.files)
        await index.open()
        history = History(files, now, days=options.days, goal=options.goal)
        store, states = LocalStore(shelf), StateStore(shelf)
        restored = await files.run(store.read)
        local = Local() if restored is None or joins else restored.local
        for path in [path for path, seen in local.items() if seen.version not in index.graph]:
            local.drop(path)
        bad = await files.run(history.open)
        sources = Sources(tree, history, local)
        recorder = Recorder(index.graph, local, options.classes, options.author)
        ground = Ground(tree, index, history, local, store, recorder, sources, now)
        if joins:
            await files.run(lambda: store.replace(local))
        state = await files.run(states.read)
        engine = Engine(ground, options, states, state, suspicious=suspicious)
        made = cls(ground, options, engine)
        made.told += [f"{bad} entries of the history do not read"] if bad else []
        await engine.recover()
        return made

    @property
    def halt(self) -> Halt | None:
        """What a person is asked before anything goes on."""
        return self._engine.state.halt

    @property
    def problems(self) -> Mapping[str, Problem]:
        """What is wrong with single files."""
        return self._engine.problems

    @property
    def missing(self) -> Mapping[ContentId, int]:
        """Contents that are needed and not here, and their sizes, 0 where that is not known."""
        wants = self._engine.wants.values()
        return {content: size for content, size in wants if not self.has(content)}

    @property
    def differing(self) -> Collection[str]:
        """Files that were edited here and are not recorded, as others are only received."""
        return self._engine.differing

    @property
    def moving(self) -> Collection[str]:
        """Files that changed whenever they were read."""
        return self._engine.moving.keys()

    @property
    def counter(self) -> int:
        """How often what is known of the files was written; it never goes back."""
        return self._ground.store.counter

    @property
    def paused(self) -> bool:
        """Whether a person paused it."""
        return self._engine.state.paused

    @property
    def history(self) -> History:
        """What was replaced and deleted."""
        return self._ground.history

    @property
    def local(self) -> Mapping[str, object]:
        """The files on the disk."""
        return self._ground.local

    async def close(self) -> None:
        """Leave it as it is on the disk."""
        async with self._lock:
            await self._engine.let_go()
        await self.index.close()

    async def work(self, only: Collection[Names] | None = None) -> None:
        """Scan, wholly or some places, and do what follows from it.

        Raises: OSError, where the root is gone or takes nothing; IndexBroken.
        """
        async with self._lock:
            if not self._engine.rests():
                await self._engine.scan(only)
                await self._engine.settle()

    async def settle(self) -> None:
        """Do what follows from what is known, without a scan. Raises: OSError, IndexBroken."""
        async with self._lock:
            if not self._engine.rests() and self._engine.is_known:
                await self._engine.settle()

    async def received(self, new: Iterable[Version]) -> None:
        """Take note of versions that came from a peer, which are in the index."""
        self._engine.note(new)

    def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes]:
        """Yield the bytes of a content. Raises: KeyError, where they are not here."""
        return self._ground.sources.read(content, offset)

    def has(self, content: ContentId) -> bool:
        """Say whether the bytes of a content are here, as far as is known."""
        return self._ground.sources.has(content)

    @property
    def seen(self) -> Mapping[str, Seen]:
        """The files on the disk that are recorded: never those that are ignored."""
        return self._ground.local

    def read_file(self, path: str, expected: Stat) -> AsyncIterator[bytes]:
        """Yield the bytes of a file, as ``Tree.read`` does. Raises: Changed, OSError."""
        return self._ground.tree.read(path, expected)

    async def stage(self) -> StagedFile:
        """Make an empty file to fill with what is fetched. Raises: OSError."""
        return await self._ground.tree.stage()

    def take_fetched(self, content: ContentId, data: Staged | bytes) -> None:
        """Take bytes that were fetched and checked, or a file with them; ``settle`` uses them."""
        self._ground.sources.fetched[content] = data

    def take_news(self) -> Sequence[Version]:
        """Return the versions that were recorded here, or written, since this was last asked."""
        news, self._engine.news = self._engine.news, []
        return news

    async def pause(self, *, paused: bool) -> None:
        """Stop, or go on. It lasts over restarts."""
        async with self._lock:
            await self._engine.put_state(msgspec.structs.replace(self._engine.state, paused=paused))

    async def allow_deletes(self) -> None:
        """Let those deletions be that halted it. Raises: OSError, IndexBroken."""
        async with self._lock:
            await self._engine.put_state(msgspec.structs.replace(self._engine.state, halt=None))
            self._engine.deletions.allow()
            await self._engine.scan(None, allowed=True)
            await self._engine.settle(allowed=True)

    async def reject_deletes(self) -> None:
        """Bring back what was deleted, here and elsewhere. Raises: OSError, IndexBroken."""
        async with self._lock:
            halt = self._engine.state.halt
            await self._engine.put_state(msgspec.structs.replace(self._engine.state, halt=None))
            recent = self._engine.deletions.recent
            self._engine.deletions.allow()
            if halt is not None and halt.kind == "here":
                await self._engine.forget_gone()
            await self._engine.scan(None)
            if halt is not None:
                await self._engine.undo_deletions(recent)
            await self._engine.settle()

    async def revert(self) -> Sequence[str]:
        """Replace what was edited here and is not recorded; return the files."""
        async with self._lock:
            paths = sorted(self._engine.differing)
            for path in paths:
                seen = self._ground.local.get(path)
                if seen is not None:
                    self._ground.local.put(path, attrs.evolve(seen, version=UNKNOWN))
            self._engine.dirty |= self._engine.differing
            self._engine.differing = set()
            await self._engine.settle()
            return paths

    async def restore(self, path: str, version: str | None = None) -> Version:
        """Make a file what it was, as a new version, which can be undone the same way.

        Args:
            path: the file.
            version: the beginning of the id of a version; None for what it was before the last.

        Raises: KeyError, where there is no such version; OSError, IndexBroken.
        """
        async with self._lock:
            graph = self._ground.index.graph
            live = graph.live(path)
            known = [one for one in graph.versions(path) if one.content is not None]
            if version is None:
                ids = {one.id for one in live}
                found = [one for one in known if one.id not in ids]
            else:
                found = [one for one in known if one.id.startswith(version)]
            if not found:
                raise KeyError(f"{path} has no such version")
            made = attrs.evolve(
                found[-1],
                parents=tuple(sorted(one.id for one in live)),
                author=self._options.author,
                time=self._ground.time,
            )
            await self._ground.index.record([made])
            self._engine.note([made])
            if not self._engine.rests():
                await self._engine.settle()
            return made
