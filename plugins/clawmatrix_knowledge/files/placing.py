"""Putting files into the workspace and taking them out, so that no edit is lost. Blocks."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.files.locating import Hindered, Locator
from clawmatrix_knowledge.files.near import folder_of, leave, leave_folder, make_near
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.traits import TEMPORARY
from clawmatrix_knowledge.ids import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_knowledge.files.port import Files, Handle, Names, Stat
    from clawmatrix_knowledge.files.traits import Traits

__all__ = ["Aside", "Batch", "Placing", "Put", "Removal", "Staged", "place_key"]

_LAST_TIME: Final = 2**33 * 10**9
"""The latest time that is set, in the year 2242: not all file systems know later ones."""
_NO_EXCHANGE: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@attrs.define
class Staged:
    """A file that waits below ``.clawmatrix`` for its place.

    Attributes:
        names: where it is; another place once it was tried to put it somewhere, and none once it
            is in the workspace.
    """

    names: Names


@attrs.frozen
class Aside:
    """A file that was in the workspace, and is below ``.clawmatrix/tmp`` now.

    Where another file system is mounted inside the workspace, that is a folder ``.clawmatrix``
    there, from which ``Tree.move`` cannot take it to the root's.

    A program that still has it open writes here. It stays until it is moved or discarded.

    Attributes:
        names: where it is.
        stat: what it was when it came here; it may be a folder, where one came in between.
        expected: whether it was what the caller expected. Else it is an edit that nobody has
            recorded. That two edits within one tick of the clock leave the same size is possible:
            read it before it goes.
    """

    names: Names
    stat: Stat
    expected: bool


@attrs.frozen
class Placing:
    """A file to put at a path.

    Attributes:
        path: the path.
        content: what to put there; bytes are for small files.
        expected: what was last seen there, which is replaced; None for nothing.
        executable: whether it may be run. Its other permissions are those of the file before.
        mtime: when it was changed, nanoseconds since 1970; None for now.
    """

    path: str
    content: Staged | bytes = attrs.field(repr=False)
    expected: Stat | None
    executable: bool = False
    mtime: int | None = None


@attrs.frozen
class Removal:
    """A file to take away. ``expected`` is what was last seen there."""

    path: str
    expected: Stat


@attrs.frozen
class Put:
    """What became of it.

    Attributes:
        done: whether the path now has the new content, or nothing after a removal, on the disk.
        stat: what is at the path: the new file; where it is not done, what was found there, which
            may be a folder; None for nothing.
        aside: the file that was there before.
        problem: why it could not be done. Without one, the path had not what was expected.
    """

    done: bool
    stat: Stat | None = None
    aside: Aside | None = None
    problem: Problem | None = None


def place_key(path: str) -> str:
    """Return what the name of a file kept aside has of its path: ``out-KEY-...``."""
    return hashlib.sha256(path.encode()).hexdigest()[:24]


class Batch:
    """Places and removes files, one after another; then ``folders`` have to be synced.

    Args:
        files: the file system.
        traits: what it can do.
        token: returns a name that was never returned before.
    """

    def __init__(self, files: Files, traits: Traits, token: Callable[[], str]) -> None:
        self._files, self._traits, self._token = files, traits, token
        self._locator = Locator(files, ignores_case=traits.ignores_case)
        self.folders: set[Names] = set()

    def prepare(self, placing: Placing) -> tuple[Staged, Stat] | Problem:
        """Write a file's bytes and what else it has to the disk. Others may do so at once."""
        content = placing.content
        try:
            if isinstance(content, Staged):
                with self._files.open(content.names, "write") as handle:
                    return content, _finished(handle, placing)
            return self._written(placing, content)
        except OSError as error:
            return problem_of(placing.path, error)

    def place(self, placing: Placing, staged: Staged, stat: Stat) -> Put:
        """Put a prepared file in its place."""
        try:
            try:
                put = self._place(placing, staged, stat)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                put = self._place(placing, staged, self._bring_near(placing, staged))
        except Hindered as error:
            put = Put(False, problem=error.problem)
        except OSError as error:
            put = Put(False, problem=problem_of(placing.path, error))
        if not isinstance(placing.content, Staged):
            self._drop(staged)
        return put

    def _bring_near(self, placing: Placing, staged: Staged) -> Stat:
        """Copy a file to the file system where its place is, and say what the copy is."""
        names, _ = self._locator.find(placing.path)
        near = (*make_near(self._files, names[:-1]), f"new-{self._token()}")
        with self._files.open(staged.names) as old:
            size, at = old.stat().size, 0
            try:
                with self._files.open(near, "new") as new:
                    while at < size and (part := old.read(at, BLOCK)):
                        new.write(at, part)
                        at += len(part)
                    stat = _finished(new, placing)
            except OSError:
                leave(self._files, near)
                raise
        self._files.unlink(staged.names)
        staged.names = near
        return stat

    def remove(self, removal: Removal) -> Put:
        """Take a file away, and the folders above it that are empty then."""
        try:
            return self._remove(removal)
        except Hindered as error:
            return Put(False, problem=error.problem)
        except OSError as error:
            return Put(False, problem=problem_of(removal.path, error))

    def _written(self, placing: Placing, data: bytes) -> tuple[Staged, Stat]:
        staged = Staged((*TEMPORARY, f"new-{self._token()}"))
        try:
            with self._files.open(staged.names, "new") as handle:
                handle.write(0, data)
                return staged, _finished(handle, placing)
        except OSError:
            with suppress(OSError):
                self._files.unlink(staged.names)
            raise

    def _drop(self, staged: Staged) -> None:
        if staged.names:
            leave(self._files, staged.names)
            staged.names = ()

    def _place(self, placing: Placing, staged: Staged, stat: Stat) -> Put:
        names, found = self._locator.find(placing.path)
        if found is not None and found.kind == "folder" and self._clear(names):
            found = None
        expected = placing.expected
        if found is None and expected is None:
            self._make_folders(names[:-1])
            self._files.rename_new(staged.names, names)
            leave_folder(self._files, staged.names)
            staged.names = ()
            self._changed(names)
            return Put(True, self._settled(names, stat))
        if found is None or expected is None or not found.is_as(expected):
            return Put(False, found)
        return self._replace(placing, names, staged, stat, expected)

    def _replace(
        self, placing: Placing, names: Names, staged: Staged, stat: Stat, expected: Stat
    ) -> Put:
        out = self._out(placing.path, folder_of(staged.names))
        if not self._traits.can_exchange:
            return self._replace_linked(names, out, staged, stat, expected)
        # From here on the name says where the file belongs, also after a crash.
        self._files.rename_new(staged.names, out)
        staged.names = out
        try:
            self._files.exchange(out, names)
        except OSError as error:
            if error.errno not in _NO_EXCHANGE:
                raise
            # A file system that is mounted inside may be able to do less than the root's.
            kept = self._out(placing.path, folder_of(staged.names))
            return self._replace_linked(names, kept, staged, stat, expected)
        staged.names = ()
        self._changed(names, out)
        aside = self._aside(out, expected)
        if aside.stat.kind != "file":
            try:
                self._files.exchange(out, names)
            except OSError:
                return Put(True, self._settled(names, stat), aside)
            staged.names = out
            return Put(False, aside.stat)
        return Put(True, self._settled(names, stat), aside)

    def _replace_linked(
        self, names: Names, out: Names, staged: Staged, stat: Stat, expected: Stat
    ) -> Put:
        self._files.link(names, out)
        self._changed(names, out)
        aside = self._aside(out, expected)
        if not aside.expected:
            self._files.unlink(out)
            return Put(False, self._files.stat(names))
        self._files.rename(staged.names, names)
        staged.names = ()
        return Put(True, self._settled(names, stat), aside)

    def _remove(self, removal: Removal) -> Put:
        names, found = self._locator.find(removal.path)
        if found is None:
            return Put(True)
        if not found.is_as(removal.expected):
            return Put(False, found)
        out = self._out(removal.path, TEMPORARY)
        try:
            self._files.rename_new(names, out)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            out = self._out(removal.path, make_near(self._files, names[:-1]))
            self._files.rename_new(names, out)
        self._changed(names, out)
        aside = self._aside(out, removal.expected)
        if aside.expected:
            self._prune(names[:-1])
            return Put(True, aside=aside)
        try:
            self._files.rename_new(out, names)
        except OSError:
            return Put(False, self._locator.stat(names, removal.path), aside)
        leave_folder(self._files, out)
        return Put(False, self._files.stat(names))

    def _aside(self, out: Names, expected: Stat) -> Aside:
        """Say what was brought out; it is never given up, also where nothing can be said of it."""
        try:
            found = self._files.stat(out)
        except OSError:
            found = None
        if found is None:
            return Aside(out, expected, expected=False)
        return Aside(out, found, found.is_content_as(expected))

    def _out(self, path: str, folder: Names) -> Names:
        return (*folder, f"out-{place_key(path)}-{self._token()}")

    def _settled(self, names: Names, stat: Stat) -> Stat:
        """Return what the new file is, now that its name has changed.

        Where it was edited meanwhile this is what it was before, so that the edit shows.
        """
        found = self._files.stat(names)
        return found if found is not None and found.is_content_as(stat) else stat

    def _changed(self, *places: Names) -> None:
        for names in places:
            self.folders.add(names[:-1])
            self._locator.forget(names[:-1])

    def _make_folders(self, names: Names) -> None:
        if not names or self._files_has(names):
            return
        self._make_folders(names[:-1])
        with suppress(FileExistsError):
            self._files.make_folder(names)
        self._changed(names)

    def _files_has(self, names: Names) -> bool:
        return names in self.folders or self._locator.stat(names, "/".join(names)) is not None

    def _prune(self, names: Names) -> None:
        """Remove folders that are empty, upwards."""
        while names:
            try:
                self._files.remove_folder(names)
            except OSError:
                return
            self.folders.discard(names)
            self._changed(names)
            names = names[:-1]

    def _clear(self, names: Names) -> bool:
        """Remove a folder in which there are only folders. Say whether it is gone."""
        entries = self._files.list(names)
        if any(entry.stat is None or entry.stat.kind != "folder" for entry in entries):
            return False
        if not all(self._clear((*names, entry.name)) for entry in entries):
            return False
        try:
            self._files.remove_folder(names)
        except OSError:
            return False
        self.folders.discard(names)
        self._changed(names)
        return True


def _finished(handle: Handle, placing: Placing) -> Stat:
    """Put a file that is written on the disk, with all that it shall have."""
    found = handle.stat()
    mode = (placing.expected or found).mode & 0o666
    if placing.executable:
        mode |= (mode & 0o444) >> 2
    handle.set(None if mode == found.mode else mode, _time(placing.mtime))
    handle.sync()
    return handle.stat()


def _time(mtime: int | None) -> int | None:
    return None if mtime is None else min(max(mtime, 0), _LAST_TIME)
