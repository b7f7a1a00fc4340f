"""What changed in a workspace since it was last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.files.measuring import (
    SMALL,
    Found,
    is_unsettled,
    measure,
    measure_large,
    time_of,
)
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.traits import TEMPORARY
from clawmatrix_knowledge.files.walking import Place, Walk, Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from clawmatrix_knowledge.files.port import Files, Names, Stat
    from clawmatrix_knowledge.files.tree import Tree
    from clawmatrix_knowledge.merging.ignores import Ignores
    from clawmatrix_knowledge.versions import ContentId, VersionId

__all__ = ["LARGEST", "Scan", "Seen", "scan"]

LARGEST: Final = 4 * 1024**3
"""Bytes of the largest file that is read, unless configured."""
_FOLDERS: Final = 64
_FILES: Final = 256


@attrs.frozen
class Seen:
    """A file as it was last seen.

    Attributes:
        version: the version in the index that it is.
        content: its bytes.
        stat: the file system's word on it.
        young: whether it changed so lately that it has to be read again.
    """

    version: VersionId
    content: ContentId
    stat: Stat
    young: bool = False

    def is_sure(self, stat: Stat) -> bool:
        """Say whether a file that looks so is certainly the one that was seen."""
        return not self.young and self.stat.is_as(stat)


@attrs.frozen
class Scan:
    """What was found. All paths are in the index's form.

    Attributes:
        changed: files that are new, or whose bytes or executable bit changed.
        touched: known files that look different and have the bytes that they had, as they are now.
        gone: known files that are certainly not there.
        unread: known files of which nothing can be said; ``problems`` says why.
        left_out: known files that are ignored now, whether they are there or not.
        problems: what is wrong.
        mounts: folders that are roots of other file systems, for the next scan.
        ignores: what is left out, for what comes from others. Of the folders that were looked
            through only.
        files: how many files take part.
        strays: folders of temporary files on other file systems inside, for ``Tree.leftovers``.
    """

    changed: Mapping[str, Found]
    touched: Mapping[str, Seen]
    gone: Sequence[str]
    unread: frozenset[str]
    left_out: frozenset[str]
    problems: Sequence[Problem]
    mounts: Mapping[str, int]
    ignores: Ignores
    files: int
    strays: Sequence[Names]


async def scan(
    tree: Tree,
    known: Mapping[str, Seen],
    *,
    mounts: Mapping[str, int] | None = None,
    only: Collection[Names] | None = None,
    largest: int = LARGEST,
) -> Scan:
    """Look through a workspace, and read what may have changed.

    Args:
        tree: the workspace.
        known: what was seen last, by path.
        mounts: those of the last scan. After a restart with 0 in place of the devices, whose
            numbers may be others.
        only: places to look at, with all below each; None for everything. Names are as on the
            disk. A place that is an ignore file stands for its folder.
        largest: bytes of the largest file that is read.

    Raises:
        OSError: the root is not there, or cannot be read.
    """
    return await _Scanner(tree, known, mounts or {}, only, largest).run()


class _Scanner:
    def __init__(
        self,
        tree: Tree,
        known: Mapping[str, Seen],
        mounts: Mapping[str, int],
        only: Collection[Names] | None,
        largest: int,
    ) -> None:
        self._tree, self._known, self._mounts = tree, known, mounts
        self._wanted = _wanted(only)
        self._largest = largest
        self._walk = Walk(tree.files, mounts, self._holds, ignores_case=tree.traits.ignores_case)
        self._folders: set[str] | None = None
        self._changed: dict[str, Found] = {}
        self._touched: dict[str, Seen] = {}

    async def run(self) -> Scan:
        files = self._tree.files
        names = (*TEMPORARY, f"try-{self._tree.token()}")
        now = await files.run(lambda: time_of(files, names))
        await self._look()
        await self._read(now)
        await self._put_down(now)
        return await files.run(self._result)

    async def _look(self) -> None:
        """Go through the folders, some at once."""
        files = self._tree.files
        root = await files.run(lambda: files.stat(()))
        assert root is not None
        waiting = [(Place((), "", root), self._wanted)]
        while waiting:
            some, waiting = waiting[:_FOLDERS], waiting[_FOLDERS:]
            listed = await files.run_all(
                [lambda at=place, of=wanted: self._walk.read(at, of) for place, wanted in some]  # type: ignore[misc]
            )
            if listed[0].error is not None and not listed[0].place.path:
                raise listed[0].error
            waiting += await files.run(
                lambda: [deeper for one in listed for deeper in self._walk.take(one)]  # noqa: B023
            )

    async def _read(self, now: int | None) -> None:
        """Read the files that may have changed."""
        doubtful = [place for place in self._walk.present.values() if self._is_doubtful(place)]
        files = self._tree.files
        small = [place for place in doubtful if place.stat.size <= SMALL]
        for at in range(0, len(small), _FILES):
            some = small[at : at + _FILES]
            found = await files.run_all(
                [lambda one=one: measure(files, one.names, one.path, now) for one in some]  # type: ignore[misc]
            )
            for place, measured in zip(some, found, strict=True):
                self._take(place, measured)
        for place in doubtful:
            if SMALL < place.stat.size <= self._largest:
                self._take(place, await measure_large(self._tree, place.names, place.path, now))
            elif place.stat.size > self._largest:
                reason = f"has {place.stat.size} bytes; files of up to {self._largest} are synced"
                self._take(place, Problem(place.path, "large", reason))

    async def _put_down(self, now: int | None) -> None:
        """Put the names of new files on the disk, before anybody hears of them."""
        folders = self._walk.folders
        above = {one for path in self._changed for one in (*_and_above(path), "")}
        places = [
            folders[path]
            for path in sorted(above & folders.keys())
            if is_unsettled(folders[path].stat, now)
        ]
        files = self._tree.files
        errors = await files.run_all(
            [lambda one=one: _sync(files, one.names) for one in places]  # type: ignore[misc]
        )
        for place, error in zip(places, errors, strict=True):
            if error is not None:
                self._walk.problems.append(problem_of(place.path, error))
                self._walk.unread.add(place.path)
                self._forget(place.path)

    def _forget(self, folder: str) -> None:
        for path in [one for one in self._changed if folder in (*_and_above(one), "")]:
            del self._changed[path]
            self._walk.unread.add(path)

    def _is_doubtful(self, place: Place) -> bool:
        if place.stat.size > self._largest:
            return True
        seen = self._known.get(place.path)
        return seen is None or not seen.is_sure(place.stat)

    def _take(self, place: Place, measured: Found | Problem) -> None:
        seen = self._known.get(place.path)
        if isinstance(measured, Problem):
            self._walk.problems.append(measured)
            self._walk.unread.add(place.path)
        elif (
            seen is not None
            and seen.content == measured.content
            and seen.stat.executable == measured.stat.executable
        ):
            self._touched[place.path] = attrs.evolve(seen, stat=measured.stat, young=measured.young)
        else:
            self._changed[place.path] = measured

    def _result(self) -> Scan:
        walk = self._walk
        missing = [path for path in self._scope() if path not in walk.present]
        unread = self._unread(missing)
        left_out = {
            path
            for path in missing
            if path not in unread and walk.ignores.ignored(path.split("/"), folder=False)
        }
        gone = [path for path in missing if path not in unread and path not in left_out]
        return Scan(
            changed=self._changed,
            touched=self._touched,
            gone=sorted(gone),
            unread=frozenset(unread),
            left_out=frozenset(left_out),
            problems=sorted(walk.problems, key=lambda one: (one.path, one.kind)),
            mounts=dict(walk.mount_points),
            ignores=walk.ignores,
            files=len(walk.present),
            strays=walk.strays,
        )

    def _scope(self) -> Iterable[str]:
        """Return the known files that had to be met."""
        if self._wanted.whole:
            return self._known
        return [path for path in self._known if _is_in(self._wanted, path)]

    def _unread(self, missing: Sequence[str]) -> set[str]:
        """Return the known files of which nothing can be said."""
        walk = self._walk
        hidden = walk.unread | self._lost_mounts(missing)
        unread = {path for path in missing if any(one in hidden for one in _and_above(path))}
        return unread | {path for path in walk.unread if path in self._known}

    def _lost_mounts(self, missing: Sequence[str]) -> set[str]:
        """Return the roots of other file systems that went, with the folder they were at."""
        walk = self._walk
        lost: set[str] = set()
        for mount, device in self._mounts.items():
            if mount in walk.mount_points:
                continue
            if not _is_in(self._wanted, mount, passed=True):
                walk.mount_points[mount] = device
            elif any(path.startswith(f"{mount}/") for path in missing):
                reason = "was another file system, and is not there; nothing below it is deleted"
                walk.problems.append(Problem(mount, "mount", reason))
                walk.mount_points[mount] = device
                lost.add(mount)
        return lost

    def _holds(self, path: str) -> bool:
        """Say whether files are known below a path."""
        if self._folders is None:
            self._folders = {
                above for one in self._known for above in _and_above(one) if above != one
            }
        return path in self._folders


def _sync(files: Files, names: Names) -> OSError | None:
    try:
        files.sync_folder(names)
    except OSError as error:
        return error
    return None


def _wanted(only: Collection[Names] | None) -> Wanted:
    wanted = Wanted(whole=only is None)
    for names in only or ():
        wanted.add(names)
    return wanted


def _is_in(wanted: Wanted, path: str, *, passed: bool = False) -> bool:
    """Say whether a path is looked at, or at least passed."""
    here = wanted
    for name in path.split("/"):
        if here.whole:
            return True
        deeper = here.below.get(name)
        if deeper is None:
            return False
        here = deeper
    return passed or here.whole


def _and_above(path: str) -> Iterable[str]:
    """Return a path, and the folders above it."""
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
