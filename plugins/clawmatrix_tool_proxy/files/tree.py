"""What is in a folder and below it, in one order, up to a number of files and a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.folder import kind_of
from clawmatrix_tool_proxy.files.ignores import NOTHING, Ignores
from clawmatrix_tool_proxy.files.paths import is_fit
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from clawmatrix_tool_proxy.files.folder import Folder
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Visit

__all__ = ["DEPTH", "FOLDER", "TREE", "Item", "Tree"]

TREE = Bound(
    200_000,
    "files and folders that one call of `list` or `search` looks at",
    fed_by="a member",
    when_full="the call ends there, and its result says so",
)
FOLDER = Bound(
    20_000,
    "names of one folder that a call of `list` or `search` looks at",
    fed_by="a member",
    when_full="the first of them are looked at, and the result says so",
)
DEPTH = Bound(
    64,
    "folders within each other that `list` and `search` go down, each of which is held open",
    fed_by="a member",
    when_full="what is deeper is left out, and the result says so",
)


@attrs.frozen
class Item:
    """Something in a folder.

    Attributes:
        folder: the folder, which is open until the next item is asked for.
        name: its name there.
        found: what it is.
        kind: ``file``, ``folder``, ``link``, ``root``, ``pipe``, ``socket`` or ``device``.
        ignored: whether git would leave it out, where that is asked for.
    """

    folder: Folder
    name: str
    found: os.stat_result
    kind: str
    ignored: bool = False

    @property
    def path(self) -> RootPath:
        """Where it is."""
        return self.folder.path / self.name


@attrs.define
class Tree:
    """Goes through a folder; each folder comes before what is in it, names in order of bytes.

    Attributes:
        depth: how many folders deep to go: 1 is the folder alone.
        ends_at: when to stop.
        now: the time, in the same seconds.
        ignored: whether to look at what git leaves out just as at the rest.
        cut: why something was left out: ``files``, ``folder``, ``depth`` or ``time``.
        closed: folders that could not be opened.
    """

    depth: int
    ends_at: float
    now: Callable[[], float]
    ignored: bool = False
    cut: str | None = None
    closed: int = 0
    _seen: int = 0

    def items(self, visit: Visit, path: RootPath) -> Iterator[Item]:
        """Yield what is there. Raises: ToolError, where the folder cannot be opened."""
        ignores = NOTHING
        if not self.ignored:
            for length in range(len(path.parts)):
                with visit.folder(attrs.evolve(path, parts=path.parts[:length])) as above:
                    ignores = ignores.within(above)
        with visit.folder(path) as folder:
            yield from self._below(folder, self.depth, ignores)

    def is_late(self) -> bool:
        """Say whether the time is over."""
        return self.now() > self.ends_at

    def _below(self, folder: Folder, depth: int, above: Ignores) -> Iterator[Item]:
        ignores = above if self.ignored else above.within(folder)
        names, complete = folder.names(FOLDER)
        self._note("folder", not complete)
        for name in names:
            if self._is_over():
                return
            if (item := self._item(folder, name, ignores)) is None:
                continue
            yield item
            if item.kind == "folder" and not item.ignored and is_fit(item.name):
                if depth > 1:
                    yield from self._entered(item, depth - 1, ignores)
                else:
                    self._note("depth", self.depth == DEPTH)

    def _item(self, folder: Folder, name: str, ignores: Ignores) -> Item | None:
        try:
            found = folder.peek(name)
        except ToolError:
            return None
        if found is None:
            return None
        kind = "root" if folder.is_root(found) else kind_of(found)
        item = Item(folder, name, found, kind)
        return item if self.ignored else attrs.evolve(item, ignored=_leaves_out(ignores, item))

    def _entered(self, item: Item, depth: int, ignores: Ignores) -> Iterator[Item]:
        try:
            folder = item.folder.folder(item.name)
        except ToolError:
            self.closed += 1
            return
        with folder:
            yield from self._below(folder, depth, ignores)

    def _is_over(self) -> bool:
        self._seen += 1
        self._note("files", self._seen > TREE)
        self._note("time", self.is_late())
        return self.cut in ("files", "time")

    def _note(self, cut: str, happened: bool) -> None:
        if happened:
            self.cut = cut


def _leaves_out(ignores: Ignores, item: Item) -> bool:
    is_folder = item.kind == "folder"
    if is_folder and item.name == ".git":
        return True
    return ignores.has(item.path.parts, folder=is_folder)
