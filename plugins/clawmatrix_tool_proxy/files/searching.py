"""The tool ``search``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.errors import failure
from clawmatrix_tool_proxy.files.folder import kind_of
from clawmatrix_tool_proxy.files.paths import is_fit
from clawmatrix_tool_proxy.files.pieces import is_binary, pieces
from clawmatrix_tool_proxy.files.tree import Item
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.files.globs import Glob
    from clawmatrix_tool_proxy.files.matching import Finder
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Roots, Visit
    from clawmatrix_tool_proxy.files.tree import Tree

__all__ = ["MATCHES", "Search"]

MATCHES = Bound(
    10_000,
    "matches that one call of `search` gives",
    fed_by="a member",
    when_full="the search ends there, and its result says so",
)


@attrs.define
class Search:
    """Searches a file, or the files of a folder and of those below it.

    Attributes:
        roots: where it is.
        path: the file or folder.
        tree: how to go through it.
        finder: finds matches.
        most: how many matches to give.
        size: bytes of output to give.
        glob: what files have to match.
        matches: matches so far.
        files: files with a match.
        searched: files that were looked into.
        binary: files that are no text, and were passed over.
    """

    roots: Roots
    path: RootPath
    tree: Tree
    finder: Finder
    most: int
    size: int
    glob: Glob | None = None
    matches: int = 0
    files: int = 0
    searched: int = 0
    binary: int = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines ``ROOT/path:line: text``, and nothing every now and then."""
        with self.finder, self.roots.visit(self.path.root) as visit:
            for item in self._items(visit):
                if self._is_wanted(item):
                    yield from self._in_file(item)
                if self._is_over():
                    return
                yield b""

    @property
    def facts(self) -> JSON:
        """What came of it."""
        counts = {"matches": self.matches, "files": self.files, "searched": self.searched}
        passed = {"binary": self.binary, "closed": self.tree.closed}
        told = {name: count for name, count in passed.items() if count}
        return {**counts, **told, "cut": self.tree.cut}

    def _items(self, visit: Visit) -> Iterator[Item]:
        if self.path.parts:
            with visit.folder(self.path.parent) as folder:
                name = self.path.parts[-1]
                found = folder.look(name)
                if found is not None and kind_of(found) != "folder":
                    folder.require_plain(name, found)
                    yield Item(folder, name, found, kind_of(found))
                    return
        yield from self.tree.items(visit, self.path)

    def _is_wanted(self, item: Item) -> bool:
        if item.kind != "file" or item.ignored or not is_fit(item.name):
            return False
        parts = item.path.parts[len(self.path.parts) :] or (item.name,)
        return self.glob is None or self.glob.matches(parts)

    def _in_file(self, item: Item) -> Iterator[bytes]:
        try:
            descriptor = item.folder.file(item.name)
        except ToolError:
            self.tree.closed += 1
            return
        try:
            yield from self._in_pieces(item.path, descriptor)
        except OSError as error:
            raise failure(item.path, error) from None
        finally:
            os.close(descriptor)

    def _in_pieces(self, path: RootPath, descriptor: int) -> Iterator[bytes]:
        before, line = self.matches, 1
        for piece in pieces(descriptor):
            if line == 1 and is_binary(piece):
                self.binary += 1
                return
            found = self._found(path, piece)
            yield b"".join(self._given(f"{path}:{line + at}: {text}\n") for at, text in found)
            line += piece.count(b"\n")
            if self._is_over():
                break
        self.searched += 1
        self.files += self.matches > before

    def _given(self, text: str) -> bytes:
        """Return a line of output; nothing where there is no more room for it."""
        line = text.encode()
        if len(line) > self.size:
            self.size, self.tree.cut = 0, "output"
            return b""
        self.size -= len(line)
        self.matches += 1
        return line

    def _is_over(self) -> bool:
        """Say whether enough was found, or the time is over."""
        if self.tree.cut != "output" and self.matches >= self.most:
            self.tree.cut = "matches"
        if self.tree.is_late():
            self.tree.cut = "time"
        return self.tree.cut in ("matches", "output", "time")

    def _found(self, path: RootPath, piece: bytes) -> list[tuple[int, str]]:
        try:
            return list(self.finder.find(piece, self.most - self.matches))
        except ToolError as error:
            raise ToolError(f"{path}: {error}", error.code) from None
