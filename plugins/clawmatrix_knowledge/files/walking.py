"""Looking through the folders of a workspace: what is there that could be synced. Blocks.

A path counts as absent only where a folder's listing ended without an error and had no such name.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.files.locating import nfc
from clawmatrix_knowledge.files.port import Entry, Names
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.traits import TEMPORARY
from clawmatrix_knowledge.merging.ignores import FILES, IGNORE_BYTES, Ignores
from clawmatrix_knowledge.paths import OWN_FOLDER, PathError, check_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from clawmatrix_knowledge.files.port import Files, Stat

__all__ = ["Listed", "Place", "Walk", "Wanted"]

_GIT: Final = ".git"


@attrs.frozen
class Place:
    """A file that takes part, or a folder to look through.

    Attributes:
        names: where it is on the disk.
        path: its path in the index; empty for the root.
        stat: what the file system says of it.
    """

    names: Names
    path: str
    stat: Stat


@attrs.define
class Wanted:
    """What to look at: a folder and all below it, or some of what is in it."""

    whole: bool = False
    below: dict[str, Wanted] = attrs.field(factory=dict)

    def add(self, names: Names) -> None:
        """Look at a place too, and all below it."""
        here = self
        for name in names:
            if name in FILES:
                # What it says concerns all of its folder.
                break
            here = here.below.setdefault(nfc(name), Wanted())
        here.whole = True

    def into(self, name: str) -> Wanted | None:
        """Return what to look at below a name."""
        return self if self.whole else self.below.get(nfc(name))


@attrs.frozen
class Listed:
    """A folder, read.

    Attributes:
        place: the folder.
        wanted: what is wanted of it.
        entries: what is in it, as far as it is wanted.
        texts: what its ``.gitignore`` and ``.clawignore`` say.
        is_repository: whether it has a ``.git``.
        error: why it could not be read.
    """

    place: Place
    wanted: Wanted
    entries: Sequence[Entry] = ()
    texts: Sequence[str] = ()
    is_repository: bool = False
    error: OSError | None = None


class Walk:
    """Collects what is there.

    Args:
        files: the file system.
        mounts: folders that were roots of other file systems, by path, and their devices; 0 for
            one that is not known, as after a restart.
        holds: says whether files are known below a path.
        ignores_case: whether only a listing says how a name is written.

    Attributes:
        ignores: what is left out.
        present: files that take part, by path.
        folders: folders that were looked through, by path.
        out: paths of files and folders that are left out.
        unread: paths of files and folders of which nothing can be said.
        problems: why.
        mount_points: the roots of other file systems.
        strays: folders ``.clawmatrix`` below the root, with temporary files.
    """

    def __init__(
        self,
        files: Files,
        mounts: Mapping[str, int],
        holds: Callable[[str], bool],
        *,
        ignores_case: bool = False,
    ) -> None:
        self._files, self._holds = files, holds
        self._lists = ignores_case
        self._mounts = mounts
        self.ignores = Ignores({})
        self.present: dict[str, Place] = {}
        self.folders: dict[str, Place] = {}
        self.out: set[str] = set()
        self.unread: set[str] = set()
        self.strays: list[Names] = []
        self.problems: list[Problem] = []
        self.mount_points: MutableMapping[str, int] = {}

    def read(self, place: Place, wanted: Wanted) -> Listed:
        """Read a folder. Several may be read at once."""
        try:
            entries = self._entries(place.names, wanted)
            texts = [self._text((*place.names, name)) for name in FILES]
            is_repository = self._files.stat((*place.names, _GIT)) is not None
        except OSError as error:
            return Listed(place, wanted, error=error)
        told = [text for text in texts if text is not None]
        return Listed(place, wanted, entries, told, is_repository)

    def take(self, listed: Listed) -> Sequence[tuple[Place, Wanted]]:
        """Take in what was read of a folder, and return the folders below to look through."""
        place = listed.place
        folder = tuple(place.path.split("/")) if place.path else ()
        if listed.error is not None:
            self._lose(problem_of(place.path, listed.error))
            return ()
        if listed.is_repository and folder:
            self.ignores.add_repository(folder)
            self.out.add(place.path)
            return ()
        self.folders[place.path] = place
        for text in listed.texts:
            self.ignores.learn(folder, text)
        below: list[tuple[Place, Wanted]] = []
        for name, entry in self._named(place, listed.entries):
            deeper = self._take(place, (*folder, name), entry)
            if deeper is not None:
                wanted = listed.wanted.into(entry.name)
                below.append((deeper, Wanted(whole=True) if wanted is None else wanted))
        return below

    def _entries(self, names: Names, wanted: Wanted) -> Sequence[Entry]:
        if wanted.whole:
            return sorted(self._files.list(names), key=lambda entry: entry.name)
        if self._lists or not all(name.isascii() for name in wanted.below):
            forms = {nfc(name) for name in wanted.below}
            entries = [one for one in self._files.list(names) if nfc(one.name) in forms]
            return sorted(entries, key=lambda entry: entry.name)
        found = ((name, self._files.stat((*names, name))) for name in sorted(wanted.below))
        return [Entry(name, stat) for name, stat in found if stat is not None]

    def _text(self, names: Names) -> str | None:
        """Read a file that says what to leave out. A link is not followed, as with git."""
        found = self._files.stat(names)
        if found is None or found.kind != "file":
            return None
        if found.size > IGNORE_BYTES:
            # What it leaves out at its end must not go to others.
            reason = f"{names[-1]} has more than {IGNORE_BYTES} bytes"
            raise OSError(errno.EFBIG, reason, "/".join(names))
        with self._files.open(names) as handle:
            return handle.read(0, IGNORE_BYTES).decode(errors="surrogateescape")

    def _named(self, place: Place, entries: Sequence[Entry]) -> Sequence[tuple[str, Entry]]:
        """Return entries by their names in the index, without those that have no clear one."""
        by_name: dict[str, list[Entry]] = {}
        folded: dict[str, list[str]] = {}
        for entry in entries:
            by_name.setdefault(nfc(entry.name), []).append(entry)
        for name in by_name:
            folded.setdefault(name.casefold(), []).append(name)
        above = f"{place.path}/" if place.path else ""
        for names in folded.values():
            if len(names) > 1:
                self._note_clash(above, names)
        for name, same in by_name.items():
            if len(same) > 1:
                reason = "is there twice, in two Unicode forms; neither is read"
                self._lose(Problem(above + name, "form", reason))
        return [(name, same[0]) for name, same in by_name.items() if len(same) == 1]

    def _note_clash(self, above: str, names: Sequence[str]) -> None:
        for name, other in zip(names[1:], names, strict=False):
            if not self.ignores.ignored((above + name).split("/"), folder=False):
                reason = f"differs from {other} in case only; some machines cannot keep both"
                self.problems.append(Problem(above + name, "clash", reason, is_note=True))

    def _take(self, above: Place, names: Names, entry: Entry) -> Place | None:
        """Take in one name; return it where it is a folder to look through."""
        path, stat = "/".join(names), entry.stat
        is_folder = stat is not None and stat.kind == "folder"
        if self._is_out(names, stat):
            if names[-1] != OWN_FOLDER:
                self.out.add(path)
            elif len(names) > 1 and is_folder and self._is_made_by_us((*above.names, entry.name)):
                self.strays.append((*above.names, entry.name))
            return None
        problem = self._problem(path, entry)
        if problem is not None:
            self._lose(problem)
            return None
        assert stat is not None
        place = Place((*above.names, entry.name), path, stat)
        if is_folder:
            return place if self._is_same_mount(above, place) else None
        if stat.links > 1:
            reason = f"has {stat.links} names; the others keep its old bytes when it is replaced"
            self.problems.append(Problem(path, "link", reason, is_note=True))
        self.present[path] = place
        return None

    def _is_out(self, names: Names, stat: Stat | None) -> bool:
        if stat is None:
            # It may be a file or a folder.
            return all(self.ignores.ignored(names, folder=kind) for kind in (False, True))
        return self.ignores.ignored(names, folder=stat.kind == "folder")

    def _is_made_by_us(self, names: Names) -> bool:
        try:
            return [entry.name for entry in self._files.list(names)] == [TEMPORARY[-1]]
        except OSError:
            return False

    def _problem(self, path: str, entry: Entry) -> Problem | None:
        if entry.stat is None:
            return problem_of(path, entry.error or OSError("cannot be looked at"))
        if entry.stat.kind == "link":
            return Problem(path, "link", "is a symbolic link, which is not followed")
        if entry.stat.kind == "other":
            return Problem(path, "special", "is a pipe, a socket or a device")
        try:
            check_path(path)
        except PathError as error:
            return Problem(path, "name", str(error))
        return None

    def _is_same_mount(self, above: Place, place: Place) -> bool:
        """Say whether a folder is on the file system where its files were known."""
        device = place.stat.device if place.stat.device != above.stat.device else None
        known = self._mounts.get(place.path)
        if device is None:
            is_same = known is None
        elif known is None:
            is_same = not self._holds(place.path)
        else:
            is_same = known in (0, device)
        if is_same:
            if device is not None:
                self.mount_points[place.path] = device
            return True
        if known is not None:
            self.mount_points[place.path] = known
        reason = "is on another file system than before; nothing below it is read or deleted"
        self._lose(Problem(place.path, "mount", reason))
        return False

    def _lose(self, problem: Problem) -> None:
        text = problem.path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        self.problems.append(attrs.evolve(problem, path=text))
        self.unread.add(problem.path)
