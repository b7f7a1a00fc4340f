"""Which files take part: what ``.gitignore``, ``.clawignore`` and hidden names leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FILES", "IGNORE_BYTES", "Ignores"]

FILES: Final = (".gitignore", ".clawignore")
"""The files that say so, the one that counts more last. They are the hidden names that sync."""
IGNORE_BYTES: Final = 64 * 1024
"""Bytes of one such file that are read."""
_LINES: Final = 1000
"""Lines of one such file that count."""
_GIT: Final = ".git"


class Ignores:
    """What the files of a workspace leave out.

    A path is left out where a folder above it is, as with git. Hidden names are left out unless a
    line such as ``!.config`` lets them in; the folders ``.git`` and ``.clawmatrix`` always are.

    Args:
        texts: the texts of the files ``.gitignore`` and ``.clawignore``, by folder (the names from
            the root, none for the root itself) and name.
        repositories: folders below the root that have a ``.git`` of their own.
    """

    def __init__(
        self,
        texts: Mapping[tuple[tuple[str, ...], str], str],
        repositories: frozenset[tuple[str, ...]] = frozenset(),
    ) -> None:
        self._repositories = set(repositories)
        self._specs: dict[tuple[str, ...], list[GitIgnoreSpec]] = {}
        self._folders: dict[tuple[str, ...], bool] = {(): False}
        for name in FILES:
            for (folder, of), text in texts.items():
                if of == name:
                    self.learn(folder, text)

    def learn(self, folder: tuple[str, ...], text: str) -> None:
        """Add what a file in a folder says, before anything below the folder is asked for.

        Of two files in one folder the later one counts more.
        """
        self._specs.setdefault(folder, []).append(_spec(text))

    def add_repository(self, folder: tuple[str, ...]) -> None:
        """Leave a folder below the root out, since it has a ``.git`` of its own."""
        self._repositories.add(folder)
        self._folders[folder] = True

    def ignored(self, names: Sequence[str], *, folder: bool) -> bool:
        """Say whether a path, as names from the root on, is left out."""
        path = tuple(names)
        if not path:
            return False
        if self._is_out(path[:-1]):
            return True
        return self._is_out(path) if folder else self._judged(path, folder=False)

    def _is_out(self, folder: tuple[str, ...]) -> bool:
        """Say whether a folder is left out, and remember it."""
        known = self._folders.get(folder)
        if known is None:
            known = self._is_out(folder[:-1]) or self._judged(folder, folder=True)
            self._folders[folder] = known
        return known

    def _judged(self, path: tuple[str, ...], *, folder: bool) -> bool:
        """Say what the files above a path say of it, where no folder above it is left out."""
        name = path[-1]
        if name.lower() in (OWN_FOLDER, _GIT) or path in self._repositories:
            return True
        for depth in range(len(path) - 1, -1, -1):
            below = _as_bytes("/".join(path[depth:]) + ("/" if folder else ""))
            for spec in reversed(self._specs.get(path[:depth], ())):
                verdict = spec.check_file(below).include
                if verdict is not None:
                    return verdict
        return name.startswith(".") and (folder or name not in FILES)


def _spec(text: str) -> GitIgnoreSpec:
    lines = _as_bytes(text).split("\n")[:_LINES]
    return GitIgnoreSpec.from_lines(map(_line, lines), backend="re2")


def _line(line: str) -> str:
    line = line.removesuffix("\r")
    # The library takes files for folders here.
    return f"{line}*/" if line.endswith("/**/") else line


def _as_bytes(text: str) -> str:
    """Return a text with one letter for each byte: git's ``?`` and ``[...]`` stand for bytes."""
    return text.encode(errors="surrogateescape").decode("latin-1")
