"""Where a path of the index is on the disk."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.problems import Problem
from clawmatrix_knowledge.paths import PathError, check_path

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files, Names, Stat

__all__ = ["Hindered", "Locator", "nfc"]


class Hindered(Exception):
    """A path cannot be reached; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.path} {problem.reason}")
        self.problem = problem


class Locator:
    """Finds paths for as long as nobody else writes. Its functions block.

    A path is in the form NFC. On the disk it may be in another one, which stays. Where the disk
    takes ``a`` for ``A``, the name has to be the very one.

    Args:
        files: the file system.
        ignores_case: whether it takes ``a`` for ``A``.
    """

    def __init__(self, files: Files, *, ignores_case: bool) -> None:
        self._files, self._ignores_case = files, ignores_case
        self._known: dict[Names, dict[str, str]] = {}

    def find(self, path: str) -> tuple[Names, Stat | None]:
        """Return the names of a path on the disk, and what is there.

        Names that are not there yet are in the form NFC. Raises: Hindered, OSError.
        """
        names: Names = ()
        try:
            wanted = check_path(path)
        except PathError as error:
            raise Hindered(Problem(path, "name", str(error))) from None
        for name in wanted:
            names = (*names, self._found(names, name, path))
        return names, self.stat(names, path)

    def stat(self, names: Names, path: str) -> Stat | None:
        """Say what is at a place; None, also where the folders above are not there."""
        try:
            return self._files.stat(names)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise Hindered(self._blocked(names, path)) from None

    def forget(self, folder: Names) -> None:
        """Look at a folder again, as a name in it has changed."""
        self._known.pop(folder, None)

    def _found(self, folder: Names, name: str, path: str) -> str:
        if self._ignores_case:
            return self._exactly(folder, name, path)
        if name.isascii() or self.stat((*folder, name), path) is not None:
            return name
        return self._listed(folder).get(name, name)

    def _exactly(self, folder: Names, name: str, path: str) -> str:
        listed = self._listed(folder)
        if name in listed:
            return listed[name]
        folded = name.casefold()
        other = next((there for there in listed if there.casefold() == folded), None)
        if other is not None:
            at = "/".join((*folder, name))
            reason = f"would be the same file here as {other}"
            raise Hindered(Problem(path if path == at else at, "clash", reason))
        return name

    def _listed(self, folder: Names) -> dict[str, str]:
        """Return the names in a folder, by their form NFC."""
        known = self._known.get(folder)
        if known is None:
            try:
                found = self._files.list(folder)
            except (FileNotFoundError, NotADirectoryError):
                found = ()
            known = {nfc(entry.name): entry.name for entry in found}
            self._known[folder] = known
        return known

    def _blocked(self, names: Names, path: str) -> Problem:
        for depth in range(1, len(names)):
            found = self._files.stat(names[:depth])
            if found is not None and found.kind != "folder":
                at = nfc("/".join(names[:depth]))
                kind = "symbolic link" if found.kind == "link" else found.kind
                return Problem(path, "blocked", f"has a {kind} above it, {at}")
        return Problem(path, "moving", "is in a folder that changes")


def nfc(name: str) -> str:
    """Return a name in the form that the index uses."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
