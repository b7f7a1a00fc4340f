"""Bringing the disk to what the index says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs

from clawmatrix_knowledge.contents.history import NoRoom
from clawmatrix_knowledge.files.placing import Placing, Put, Removal, Staged
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.ids import BLOCK, content_id
from clawmatrix_knowledge.syncing.ground import ToKeep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.contents.history import Why
    from clawmatrix_knowledge.syncing.asides import Asides
    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.syncing.planning import Step
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Applied", "Applier"]

_BATCH: Final = 256


@attrs.define
class Applied:
    """What became of the steps.

    Attributes:
        done: files that are as they should be.
        edits: versions of edits that were found in the place of files, and recorded.
        look: files that are not what they were thought to be, to be scanned.
        missing: contents that are not here yet, and their sizes, by path.
        problems: what could not be done, and why.
    """

    done: list[str] = attrs.field(factory=list)
    edits: list[Version] = attrs.field(factory=list)
    look: set[str] = attrs.field(factory=set)
    missing: dict[str, tuple[ContentId, int]] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list)


class Applier:
    """Writes and deletes files, and notes what they are then.

    Args:
        ground: the workspace.
        asides: takes what was replaced.
        min_free: which part of the disk stays free.
    """

    def __init__(self, ground: Ground, asides: Asides, min_free: float) -> None:
        self._ground, self._asides, self._min_free = ground, asides, min_free

    async def apply(self, steps: Sequence[Step]) -> Applied:
        """Do what can be done now. Raises: OSError, IndexBroken."""
        applied = Applied()
        for step in steps:
            if step.kind == "adopt" and step.before is not None:
                seen = attrs.evolve(step.before, version=step.version.id)
                self._ground.local.put(step.path, seen)
                applied.done.append(step.path)
        deletes = [step for step in steps if step.kind == "delete"]
        writes = [step for step in steps if step.kind == "write"]
        for at in range(0, len(deletes), _BATCH):
            await self._delete(deletes[at : at + _BATCH], applied)
        for at in range(0, len(writes), _BATCH):
            if not await self._is_free(writes[at:], applied):
                break
            await self._write(writes[at : at + _BATCH], applied)
        await self._ground.save()
        return applied

    async def _delete(self, steps: Sequence[Step], applied: Applied) -> None:
        steps = [step for step in steps if self._has_room(step, applied)]
        removals = [Removal(step.path, step.before.stat) for step in steps if step.before]
        with anyio.CancelScope(shield=True):  # what is done is noted, also when the node stops
            puts = await self._ground.tree.remove_many(removals)
            for step, put in zip(steps, puts, strict=True):
                await self._took(step, put, "deleted", applied)
            await self._ground.save()

    async def _write(self, steps: Sequence[Step], applied: Applied) -> None:
        placings: list[Placing] = []
        ready: list[Step] = []
        keep: list[ToKeep] = []
        for step in steps:
            content = await self._content(step, applied)
            if content is None or not self._has_room(step, applied):
                continue
            version, before = step.version, step.before
            if version.kind == "text" and version.content is not None:
                data = content if isinstance(content, bytes) else None
                if data is not None:
                    keep.append(ToKeep(version.content, data, step.path, version.id))
            ready.append(step)
            placings.append(
                Placing(
                    step.path,
                    content,
                    None if before is None else before.stat,
                    version.executable,
                    version.mtime or None,
                )
            )
        await self._ground.keep(keep)
        with anyio.CancelScope(shield=True):
            puts = await self._ground.tree.put_many(placings)
            for step, placing, put in zip(ready, placings, puts, strict=True):
                await self._took(step, put, "replaced", applied)
                if isinstance(placing.content, Staged) and not put.done:
                    await self._ground.tree.discard(placing.content)
            await self._ground.save()

    async def _is_free(self, steps: Sequence[Step], applied: Applied) -> bool:
        files = self._ground.tree.files
        space = await files.run(files.space)
        if space.free >= self._min_free * space.total:
            return True
        reason = f"waits: {space.free} bytes of the disk are free, too few of {space.total}"
        applied.problems += [Problem(step.path, "full", reason) for step in steps]
        return False

    async def _content(self, step: Step, applied: Applied) -> bytes | Staged | None:
        """Return what to write; None, where it is not here."""
        version, sources = step.version, self._ground.sources
        content = version.content
        assert content is not None
        fetched = sources.fetched.get(content)
        try:
            if isinstance(fetched, Staged) and version.size > BLOCK:
                del sources.fetched[content]
                return fetched
            if version.size <= BLOCK:
                data = await sources.whole(content, BLOCK)
                if len(data) <= BLOCK and content_id(data) == content:
                    return data
            return await sources.copy(content)
        except KeyError:
            applied.missing[step.path] = content, version.size
        except OSError as error:
            applied.problems.append(problem_of(step.path, error))
        return None

    def _has_room(self, step: Step, applied: Applied) -> bool:
        if step.before is None or step.before.content in self._ground.history:
            return True
        try:
            self._ground.history.check_room(step.before.stat.size)
        except NoRoom as error:
            applied.problems.append(Problem(step.path, "full", f"waits: the history has {error}"))
            return False
        return True

    async def _took(self, step: Step, put: Put, why: Why, applied: Applied) -> None:
        local, path = self._ground.local, step.path
        if put.aside is not None:
            before = step.before.version if step.before is not None else step.version.id
            edit = await self._asides.take(path, put.aside, before, why)
            if edit is not None:
                applied.edits.append(edit)
        if put.problem is not None:
            applied.problems.append(put.problem)
        elif not put.done:
            applied.look.add(path)
        elif step.kind == "delete":
            local.drop(path)
            applied.done.append(path)
        elif put.stat is not None and step.version.content is not None:
            seen = Seen(step.version.id, step.version.content, put.stat, young=True)
            local.put(path, seen)
            applied.done.append(path)
