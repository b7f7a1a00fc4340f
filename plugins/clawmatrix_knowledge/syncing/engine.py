"""What goes between the files of a workspace and its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from clawmatrix_knowledge.files.scanning import LARGEST, Scan
from clawmatrix_knowledge.files.scanning import scan as scan_files
from clawmatrix_knowledge.merging.classes import MergeClasses
from clawmatrix_knowledge.merging.ignores import FILES, Ignores
from clawmatrix_knowledge.syncing.applying import Applied, Applier
from clawmatrix_knowledge.syncing.asides import Asides
from clawmatrix_knowledge.syncing.halts import Deletions, Halt, State, StateStore, TooMany
from clawmatrix_knowledge.syncing.intake import Intake
from clawmatrix_knowledge.syncing.mounted import here_now
from clawmatrix_knowledge.syncing.planning import Folders, Plan, planned
from clawmatrix_knowledge.syncing.resolving import Resolver
from clawmatrix_knowledge.versions import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from clawmatrix_knowledge.files.port import Names
    from clawmatrix_knowledge.files.problems import Problem
    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.syncing.planning import Step
    from clawmatrix_knowledge.versions import ContentId

__all__ = ["Engine", "Options"]

PRUNE: Final = 3600.0
"""Seconds between two looks at what is kept."""
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
        min_free: which part of the disk stays free of what others send.
        sends: whether edits are recorded.
        receives: whether the edits of others are written.
    """

    author: str
    classes: MergeClasses = attrs.field(factory=MergeClasses)
    largest: int = LARGEST
    days: int = 30
    goal: int = 1024**3
    min_free: float = 0.05
    sends: bool = True
    receives: bool = True


class Engine:
    """Brings a workspace and its index together, one call after another.

    Args:
        ground: the workspace.
        options: what is configured.
        states: keeps what people said.
        state: what they said.
        suspicious: whether power may have been lost since the files were written.

    Attributes:
        state: what people said, and are asked.
        problems: what is wrong with single files.
        wants: contents that are needed, and their sizes, by the files that need them.
        deletions: counts what is deleted.
        dirty: files to look at.
        news: versions that were recorded here, or written.
        differing: files that were edited here and are not recorded.
        moving: files that changed whenever they were read, and since when.
        is_known: whether the files have been scanned.
    """

    def __init__(
        self,
        ground: Ground,
        options: Options,
        states: StateStore,
        state: State,
        *,
        suspicious: bool,
    ) -> None:
        self._ground, self._options, self._states = ground, options, states
        # The numbers of devices may be others after a restart.
        mounts = dict.fromkeys(state.mounts, 0)
        self.state = msgspec.structs.replace(state, mounts=mounts)
        self.problems: dict[str, Problem] = {}
        self.wants: dict[str, tuple[ContentId, int]] = {}
        self.deletions = Deletions(ground.now)
        self.dirty: set[str] = set(ground.index.graph.paths())
        self.news: list[Version] = []
        self.differing: set[str] = set()
        self.moving: dict[str, float] = {}
        self.is_known = False
        self._asides = Asides(ground, records=options.sends)
        self._intake = Intake(ground, self.deletions)
        self._resolver = Resolver(ground)
        self._applier = Applier(ground, self._asides, options.min_free)
        self._folders = Folders(ground.index.graph)
        self._ignores: Ignores | None = None
        self._written: set[str] = set()
        self._suspicious = suspicious
        self._pruned = ground.now()

    async def recover(self) -> None:
        """Take in what a crash left, before anything else is done."""
        self.note(await self._asides.take_leftovers())

    async def let_go(self) -> None:
        """Look once more at all that was replaced."""
        self.note(await self._asides.look_again(all_of_them=True))

    def rests(self) -> bool:
        """Say whether nothing is to be done, as a person said so, or is asked."""
        return self.state.paused or self.state.halt is not None

    def note(self, versions: Iterable[Version]) -> None:
        """Look at the files of versions that are new in the index."""
        paths = {version.path for version in versions}
        self.dirty |= paths
        self._folders.update(paths)

    async def scan(self, only: Collection[Names] | None, *, allowed: bool = False) -> None:
        """Look at the files, or at some places, and record what changed."""
        ground = self._ground
        self.note(await self._asides.look_again())
        found = await scan_files(
            ground.tree,
            ground.local,
            mounts=self.state.mounts,
            only=only,
            largest=self._options.largest,
        )
        if only is None:
            await self._prune()
            self.problems = {one.path: one for one in found.problems}
            self._take_ignores(found.ignores)
        else:
            self.problems.update((one.path, one) for one in found.problems)
        if dict(found.mounts) != self.state.mounts:
            await self.put_state(msgspec.structs.replace(self.state, mounts=dict(found.mounts)))
        if self._suspicious:
            before = found.changed.keys()
            found = self._intake.note_damage(found)
            self.dirty |= before - found.changed.keys()
            self._suspicious = only is not None
        if not self._options.sends:
            known = self.differing - found.changed.keys() if only is None else self.differing
            self.differing = {path for path in known if path in ground.local}
            self.differing.update(self._intake.note_only(found))
            self.dirty |= {*found.changed, *found.gone}
            await ground.save()
            return
        try:
            new = await self._intake.take(found, allowed=allowed)
        except TooMany as error:
            await self._halt("here", error.paths)
            return
        ground.sources.stale.clear()
        new = [*new, *await self._record_moving(found)]
        self.note(new)
        self.news += new
        self.dirty |= found.changed.keys() | found.left_out
        if only is not None and _says_what_to_ignore(found.changed):
            await self.scan(None, allowed=allowed)

    async def _prune(self) -> None:
        """Give up what was kept for long enough, now and then."""
        ground = self._ground
        if ground.now() - self._pruned < PRUNE:
            return
        self._pruned = ground.now()
        graph = ground.index.graph
        held = {one.content for path in graph.paths() for one in graph.live(path) if one.content}
        held |= {seen.content for seen in ground.local.values()}
        await ground.tree.files.run(lambda: ground.history.prune(held))

    async def _record_moving(self, found: Scan) -> Sequence[Version]:
        """Record the beginnings of files that have not been at rest for long."""
        now = self._ground.now()
        moving = {one.path for one in found.problems if one.kind == "moving"}
        for path in [path for path in self.moving if path in found.changed]:
            del self.moving[path]
        new: list[Version] = []
        for path in moving:
            if now - self.moving.setdefault(path, now) >= RESTLESS:
                version = await self._intake.take_start(path)
                new += [] if version is None else [version]
                del self.moving[path]
        return new

    def _take_ignores(self, ignores: Ignores) -> None:
        """Use what is ignored now; what was ignored before may take part again."""
        self._ignores, self.is_known = ignores, True
        graph = self._ground.index.graph
        self.dirty |= {path for path in graph.paths() if path not in self._ground.local}

    async def settle(self, *, allowed: bool = False) -> None:
        """Merge, and write and delete files, until there is nothing to do that can be done."""
        waiting: set[str] = set()
        for _ in range(_ROUNDS):
            if self.rests() or not self.dirty:
                break
            dirty, self.dirty = self.dirty, set()
            waiting |= dirty
            done, look = await self._round(dirty, allowed=allowed)
            waiting -= done
            if _says_what_to_ignore(self._written):
                await self.scan(None)
            elif look:
                await self.scan([tuple(path.split("/")) for path in sorted(look)])
        self.dirty |= waiting
        await self._drop_fetched()

    async def _round(self, paths: set[str], *, allowed: bool) -> tuple[set[str], set[str]]:
        """Do what can be done for some paths. Returns those done with, and those to scan."""
        ground = self._ground
        plan = planned(ground.index.graph, self._folders, ground.local, paths, self._takes_part)
        settled = await self._resolver.settle(plan.unsettled, plan.clashes)
        self.note(settled.new)
        if not self._options.receives:
            return paths, set()
        steps = await here_now(ground.tree, self.state.mounts, plan.steps)
        try:
            self._check(steps, allowed=allowed)
        except TooMany as error:
            await self._halt("elsewhere", error.paths)
            return set(), set()
        applied = await self._applier.apply(steps)
        self.note(applied.edits)
        return self._outcome(paths, plan, applied, settled.missing), applied.look

    def _outcome(
        self, paths: set[str], plan: Plan, applied: Applied, missing: Mapping[str, ContentId]
    ) -> set[str]:
        """Note what is missing and wrong; return the paths that are done with."""
        self.problems.update((one.path, one) for one in applied.problems)
        self._written = set(applied.done)
        done = set(applied.done)
        self.news += [step.version for step in plan.steps if step.path in done]
        for path in applied.done:
            self.problems.pop(path, None)
        for path in paths:
            self.wants.pop(path, None)
        self.wants.update(applied.missing)
        self.wants.update((path, (content, 0)) for path, content in missing.items())
        open_ = {step.path for step in plan.steps}.difference(applied.done)
        return paths - open_ - missing.keys()

    def _check(self, steps: Sequence[Step], *, allowed: bool) -> None:
        """Raises: TooMany."""
        local, written = self._ground.local, {one.version.content for one in steps}
        gone = [
            step.path
            for step in steps
            if step.before is not None
            and step.before.stat.size
            and (step.kind == "delete" or step.version.content == _EMPTY)
            and step.before.content not in written
        ]
        if gone:
            self.deletions.check(gone, len(local), allowed=allowed)

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
        await self.put_state(msgspec.structs.replace(self.state, halt=halt))

    async def put_state(self, state: State) -> None:
        """Keep what people said."""
        self.state = state
        await self._ground.tree.files.run(lambda: self._states.write(state))

    async def forget_gone(self) -> None:
        """Take files that are gone, or empty, for ones that were never here."""
        ground = self._ground
        found = await scan_files(
            ground.tree, ground.local, mounts=self.state.mounts, largest=self._options.largest
        )
        emptied = [path for path, one in found.changed.items() if not one.stat.size]
        for path in (*found.gone, *emptied):
            ground.local.drop(path)
            self.dirty.add(path)
        await ground.save()

    async def undo_deletions(self, recent: Collection[str]) -> None:
        """Record that files are again what they were before they were deleted, or emptied.

        Args:
            recent: files that were deleted before there were too many.
        """
        ground = self._ground
        graph, new = ground.index.graph, list[Version]()
        for path in sorted({*ground.local, *recent}):
            live = graph.live(path)
            if not live or any(one.content not in (None, _EMPTY) for one in live):
                continue
            seen = ground.local.get(path)
            ids = [*live[0].parents] if seen is None else [seen.version, *live[0].parents]
            known = [graph.get(one) for one in ids]
            before = [one for one in known if one and one.content not in (None, _EMPTY)]
            if before:
                parents = tuple(one.id for one in live)
                author, time = self._options.author, ground.time
                new.append(attrs.evolve(before[0], parents=parents, author=author, time=time))
        await ground.index.record(new)
        self.note(new)


def _says_what_to_ignore(paths: Iterable[str]) -> bool:
    return any(path.rpartition("/")[2] in FILES for path in paths)


_EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
