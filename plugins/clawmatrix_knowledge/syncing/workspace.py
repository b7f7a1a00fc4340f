"""One workspace: its files, its index, and what goes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_knowledge.contents.history import History
from clawmatrix_knowledge.files.scanning import LARGEST, Scan, scan
from clawmatrix_knowledge.merging.classes import MergeClasses
from clawmatrix_knowledge.merging.ignores import FILES, Ignores
from clawmatrix_knowledge.syncing.applying import Applied, Applier
from clawmatrix_knowledge.syncing.asides import Asides
from clawmatrix_knowledge.syncing.ground import Ground
from clawmatrix_knowledge.syncing.halts import Deletions, Halt, State, StateStore, TooMany
from clawmatrix_knowledge.syncing.intake import Intake
from clawmatrix_knowledge.syncing.local import UNKNOWN, Local, LocalStore
from clawmatrix_knowledge.syncing.planning import Folders, Plan, planned
from clawmatrix_knowledge.syncing.recording import Recorder
from clawmatrix_knowledge.syncing.resolving import Resolver
from clawmatrix_knowledge.syncing.shelf import FilesShelf
from clawmatrix_knowledge.syncing.sources import Sources
from clawmatrix_knowledge.versions import Version

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence

    from clawmatrix_knowledge.files.placing import Staged
    from clawmatrix_knowledge.files.port import Names
    from clawmatrix_knowledge.files.problems import Problem
    from clawmatrix_knowledge.files.tree import StagedFile, Tree
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.versions import ContentId

__all__ = ["Options", "Workspace"]

RESTLESS: Final = 10.0
"""Seconds after which a file that does not rest is recorded as it begins."""
_ROUNDS: Final = 50
_SHOWN: Final = 20


@attrs.frozen
class Options:
    """What is configured of a workspace.

    Attributes:
        author: the name of this node.
        classes: how files merge.
        largest: bytes of the largest file that syncs.
        days: for how long replaced contents are kept.
        goal: bytes that they may take.
        sends: whether edits are recorded.
        receives: whether the edits of others are written.
    """

    author: str
    classes: MergeClasses = attrs.field(factory=MergeClasses)
    largest: int = LARGEST
    days: int = 30
    goal: int = 1024**3
    sends: bool = True
    receives: bool = True


class Workspace:
    """A workspace that is open, made by ``Workspace.open``.

    Attributes:
        index: its versions.
        problems: what is wrong with single files.
        told: what went wrong as it was opened, in words.
    """

    def __init__(self, ground: Ground, options: Options, states: StateStore, state: State) -> None:
        self._ground, self._options = ground, options
        self._states, self._state = states, state
        self.index = ground.index
        self.problems: dict[str, Problem] = {}
        self._wants: dict[str, tuple[ContentId, int]] = {}
        self.told: list[str] = []
        self._deletions = Deletions(ground.now)
        self._asides = Asides(ground, records=options.sends)
        self._intake = Intake(ground, self._deletions)
        self._resolver = Resolver(ground)
        self._applier = Applier(ground, self._asides)
        self._folders = Folders(ground.index.graph)
        self._ignores: Ignores | None = None
        self._dirty: set[str] = set(ground.index.graph.paths())
        self._written: set[str] = set()
        self._news: list[Version] = []
        self._differing: set[str] = set()
        self._moving: dict[str, float] = {}
        self._suspicious = False
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
        made = cls(ground, options, states, await files.run(states.read))
        made.told += [f"{bad} entries of the history do not read"] if bad else []
        await made.recover(suspicious=suspicious)
        return made

    @property
    def halt(self) -> Halt | None:
        """What a person is asked before anything goes on."""
        return self._state.halt

    @property
    def missing(self) -> Mapping[ContentId, int]:
        """Contents that are needed and not here, and their sizes, 0 where that is not known."""
        wants = self._wants.values()
        return {content: size for content, size in wants if not self.has(content)}

    @property
    def differing(self) -> Collection[str]:
        """Files that were edited here and are not recorded, as others are only received."""
        return self._differing

    @property
    def moving(self) -> Collection[str]:
        """Files that changed whenever they were read."""
        return self._moving.keys()

    @property
    def counter(self) -> int:
        """How often what is known of the files was written; it never goes back."""
        return self._ground.store.counter

    @property
    def paused(self) -> bool:
        """Whether a person paused it."""
        return self._state.paused

    @property
    def history(self) -> History:
        """What was replaced and deleted."""
        return self._ground.history

    @property
    def local(self) -> Mapping[str, object]:
        """The files on the disk."""
        return self._ground.local

    async def recover(self, *, suspicious: bool = False) -> None:
        """Take in what a crash left, before anything else is done."""
        self._suspicious = suspicious
        self._note(await self._asides.take_leftovers())

    async def close(self) -> None:
        """Leave it as it is on the disk."""
        async with self._lock:
            self._note(await self._asides.look_again(all_of_them=True))
        await self.index.close()

    async def work(self, only: Collection[Names] | None = None) -> None:
        """Scan, wholly or some places, and do what follows from it.

        Raises: OSError, where the root is gone or takes nothing; IndexBroken.
        """
        async with self._lock:
            if not self._rests():
                await self._scan(only)
                await self._settle()

    async def settle(self) -> None:
        """Do what follows from what is known, without a scan. Raises: OSError, IndexBroken."""
        async with self._lock:
            if not self._rests() and self._ignores is not None:
                await self._settle()

    async def received(self, new: Iterable[Version]) -> None:
        """Take note of versions that came from a peer, which are in the index."""
        self._note(new)

    def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes]:
        """Yield the bytes of a content. Raises: KeyError, where they are not here."""
        return self._ground.sources.read(content, offset)

    def has(self, content: ContentId) -> bool:
        """Say whether the bytes of a content are here, as far as is known."""
        return self._ground.sources.has(content)

    async def stage(self) -> StagedFile:
        """Make an empty file to fill with what is fetched. Raises: OSError."""
        return await self._ground.tree.stage()

    def take_fetched(self, content: ContentId, data: Staged | bytes) -> None:
        """Take bytes that were fetched and checked, or a file with them; ``settle`` uses them."""
        self._ground.sources.fetched[content] = data

    def take_news(self) -> Sequence[Version]:
        """Return the versions that were recorded here, or written, since this was last asked."""
        news, self._news = self._news, []
        return news

    async def pause(self, *, paused: bool) -> None:
        """Stop, or go on. It lasts over restarts."""
        async with self._lock:
            await self._put_state(msgspec.structs.replace(self._state, paused=paused))

    async def allow_deletes(self) -> None:
        """Let those deletions be that halted it. Raises: OSError, IndexBroken."""
        async with self._lock:
            await self._put_state(msgspec.structs.replace(self._state, halt=None))
            self._deletions.allow()
            await self._scan(None, allowed=True)
            await self._settle(allowed=True)

    async def reject_deletes(self) -> None:
        """Bring back what was deleted, here and elsewhere. Raises: OSError, IndexBroken."""
        async with self._lock:
            halt = self._state.halt
            await self._put_state(msgspec.structs.replace(self._state, halt=None))
            self._deletions.allow()
            if halt is not None and halt.kind == "here":
                await self._forget_gone()
            await self._scan(None)
            if halt is not None and halt.kind == "elsewhere":
                await self._undo_deletions()
            await self._settle()

    async def revert(self) -> Sequence[str]:
        """Replace what was edited here and is not recorded; return the files."""
        async with self._lock:
            paths = sorted(self._differing)
            for path in paths:
                seen = self._ground.local.get(path)
                if seen is not None:
                    self._ground.local.put(path, attrs.evolve(seen, version=UNKNOWN))
            self._dirty |= self._differing
            self._differing = set()
            await self._settle()
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
            self._note([made])
            if not self._rests():
                await self._settle()
            return made

    # --- what it does

    def _rests(self) -> bool:
        return self._state.paused or self._state.halt is not None

    def _note(self, versions: Iterable[Version]) -> None:
        paths = {version.path for version in versions}
        self._dirty |= paths
        self._folders.update(paths)

    async def _scan(self, only: Collection[Names] | None, *, allowed: bool = False) -> None:
        ground = self._ground
        self._note(await self._asides.look_again())
        found = await scan(
            ground.tree,
            ground.local,
            mounts=self._state.mounts,
            only=only,
            largest=self._options.largest,
        )
        if only is None:
            self.problems = {one.path: one for one in found.problems}
            self._take_ignores(found.ignores)
        else:
            self.problems.update((one.path, one) for one in found.problems)
        if dict(found.mounts) != self._state.mounts:
            await self._put_state(msgspec.structs.replace(self._state, mounts=dict(found.mounts)))
        if self._suspicious:
            before = found.changed.keys()
            found = self._intake.note_damage(found)
            self._dirty |= before - found.changed.keys()
            self._suspicious = only is not None
        if not self._options.sends:
            known = self._differing - found.changed.keys() if only is None else self._differing
            self._differing = {path for path in known if path in ground.local}
            self._differing.update(self._intake.note_only(found))
            self._dirty |= {*found.changed, *found.gone}
            await ground.save()
            return
        try:
            new = await self._intake.take(found, allowed=allowed)
        except TooMany as error:
            await self._halt("here", error.paths)
            return
        ground.sources.stale.clear()
        new = [*new, *await self._record_moving(found)]
        self._note(new)
        self._news += new
        self._dirty |= found.changed.keys() | found.left_out
        if only is not None and _says_what_to_ignore(found.changed):
            await self._scan(None, allowed=allowed)

    async def _record_moving(self, found: Scan) -> Sequence[Version]:
        """Record the beginnings of files that have not been at rest for long."""
        now = self._ground.now()
        moving = {one.path for one in found.problems if one.kind == "moving"}
        for path in [path for path in self._moving if path in found.changed]:
            del self._moving[path]
        new: list[Version] = []
        for path in moving:
            if now - self._moving.setdefault(path, now) >= RESTLESS:
                version = await self._intake.take_start(path)
                new += [] if version is None else [version]
                del self._moving[path]
        return new

    def _take_ignores(self, ignores: Ignores) -> None:
        """Use what is ignored now; what was ignored before may take part again."""
        self._ignores = ignores
        graph = self._ground.index.graph
        self._dirty |= {path for path in graph.paths() if path not in self._ground.local}

    async def _settle(self, *, allowed: bool = False) -> None:
        waiting: set[str] = set()
        for _ in range(_ROUNDS):
            if self._rests() or not self._dirty:
                break
            dirty, self._dirty = self._dirty, set()
            waiting |= dirty
            done, look = await self._round(dirty, allowed=allowed)
            waiting -= done
            if _says_what_to_ignore(self._written):
                await self._scan(None)
            elif look:
                await self._scan([tuple(path.split("/")) for path in sorted(look)])
        self._dirty |= waiting
        await self._drop_fetched()

    async def _round(self, paths: set[str], *, allowed: bool) -> tuple[set[str], set[str]]:
        """Do what can be done for some paths. Returns those done with, and those to scan."""
        ground = self._ground
        plan = planned(ground.index.graph, self._folders, ground.local, paths, self._takes_part)
        settled = await self._resolver.settle(plan.unsettled, plan.clashes)
        self._note(settled.new)
        if not self._options.receives:
            return paths, set()
        try:
            self._check(plan, allowed=allowed)
        except TooMany as error:
            await self._halt("elsewhere", error.paths)
            return set(), set()
        applied = await self._applier.apply(plan.steps)
        self._note(applied.edits)
        return self._outcome(paths, plan, applied, settled.missing), applied.look

    def _outcome(
        self, paths: set[str], plan: Plan, applied: Applied, missing: Mapping[str, ContentId]
    ) -> set[str]:
        """Note what is missing and wrong; return the paths that are done with."""
        self.problems.update((one.path, one) for one in applied.problems)
        self._written = set(applied.done)
        done = set(applied.done)
        self._news += [step.version for step in plan.steps if step.path in done]
        for path in applied.done:
            self.problems.pop(path, None)
        for path in paths:
            self._wants.pop(path, None)
        self._wants.update(applied.missing)
        self._wants.update((path, (content, 0)) for path, content in missing.items())
        open_ = {step.path for step in plan.steps}.difference(applied.done)
        return paths - open_ - missing.keys()

    def _check(self, plan: Plan, *, allowed: bool) -> None:
        """Raises: TooMany."""
        local, written = self._ground.local, {one.version.content for one in plan.steps}
        gone = [
            step.path
            for step in plan.steps
            if step.before is not None
            and step.before.stat.size
            and (step.kind == "delete" or step.version.content == _EMPTY)
            and step.before.content not in written
        ]
        if gone:
            self._deletions.check(gone, len(local), allowed=allowed)

    def _takes_part(self, path: str) -> bool:
        return self._ignores is None or not self._ignores.ignored(path.split("/"), folder=False)

    async def _drop_fetched(self) -> None:
        """Remove fetched files whose bytes are in their place now."""
        ground = self._ground
        for content in list(ground.sources.fetched):
            if content in ground.history or ground.local.paths_of(content):
                fetched = ground.sources.fetched.pop(content)
                if not isinstance(fetched, bytes):
                    await ground.tree.discard(fetched)

    async def _halt(self, kind: str, paths: Sequence[str]) -> None:
        halt = Halt(kind, len(paths), sorted(paths)[:_SHOWN], self._ground.time)  # type: ignore[arg-type]
        await self._put_state(msgspec.structs.replace(self._state, halt=halt))

    async def _put_state(self, state: State) -> None:
        self._state = state
        await self._ground.tree.files.run(lambda: self._states.write(state))

    async def _forget_gone(self) -> None:
        """Take files that are gone, or empty, for ones that were never here."""
        ground = self._ground
        found = await scan(ground.tree, ground.local, largest=self._options.largest)
        emptied = [path for path, one in found.changed.items() if not one.stat.size]
        for path in (*found.gone, *emptied):
            ground.local.drop(path)
            self._dirty.add(path)
        await ground.save()

    async def _undo_deletions(self) -> None:
        """Record that files that others deleted, or emptied, are what they are here."""
        ground = self._ground
        graph, new = ground.index.graph, list[Version]()
        for path, seen in ground.local.items():
            live, before = graph.live(path), graph.get(seen.version)
            gone = live and all(one.content in (None, _EMPTY) for one in live)
            if gone and before is not None and before.content not in (None, _EMPTY):
                parents = tuple(one.id for one in live)
                author = self._options.author
                new.append(attrs.evolve(before, parents=parents, author=author, time=ground.time))
        await ground.index.record(new)
        self._note(new)


def _says_what_to_ignore(paths: Iterable[str]) -> bool:
    return any(path.rpartition("/")[2] in FILES for path in paths)


_EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
