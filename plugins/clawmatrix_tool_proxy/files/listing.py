"""The tool ``list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.folder import kind_of
from clawmatrix_tool_proxy.files.paths import is_fit
from clawmatrix_tool_proxy.files.reading import time_text
from clawmatrix_tool_proxy.files.tree import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.files.globs import Glob
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Roots, Visit
    from clawmatrix_tool_proxy.files.tree import Tree

__all__ = ["LISTED", "Listing", "list_roots"]

LISTED = Bound(
    5_000,
    "files and folders that one call of `list` names",
    fed_by="a member",
    when_full="the rest is left out, and the result says so",
)
_ENTRY: Final = 120
"""Bytes of an entry but for its path."""


def list_roots(roots: Roots) -> JSON:
    """Return the roots that can be used, as entries."""
    tables = roots.tables().items()
    entries = [{"path": name, "kind": "root", "write": table.write} for name, table in tables]
    return {"entries": entries, "cut": None}


@attrs.define
class Listing:
    """Lists a folder, or names a file.

    Attributes:
        roots: where it is.
        path: the folder.
        tree: how to go through it.
        most: how many entries to give.
        size: bytes of all entries, about.
        glob: what the entries have to match.
        entries: those that were found, once everything was taken.
    """

    roots: Roots
    path: RootPath
    tree: Tree
    most: int
    size: int
    glob: Glob | None = None
    entries: list[JSON] = attrs.field(factory=list)

    def __iter__(self) -> Iterator[bytes]:
        """Go on by one entry, and yield nothing. Raises: ToolError."""
        with self.roots.visit(self.path.root) as visit:
            for item in self._items(visit):
                parts = item.path.parts[len(self.path.parts) :]
                if self.glob is None or self.glob.matches(parts or (item.name,)):
                    if self._is_full(item):
                        return
                    self.entries.append(_entry(item))
                yield b""

    @property
    def facts(self) -> JSON:
        """What came of it."""
        closed = {"closed": self.tree.closed} if self.tree.closed else {}
        return {"entries": self.entries, "cut": self.tree.cut, **closed}

    def _items(self, visit: Visit) -> Iterator[Item]:
        if self.path.parts:
            with visit.folder(self.path.parent) as folder:
                name = self.path.parts[-1]
                found = folder.look(name)
                if found is not None and kind_of(found) != "folder":
                    yield Item(folder, name, found, kind_of(found))
                    return
        yield from self.tree.items(visit, self.path)

    def _is_full(self, item: Item) -> bool:
        self.size -= len(str(item.path)) + _ENTRY
        if len(self.entries) < self.most and self.size > 0:
            return False
        self.tree.cut = "entries"
        return True


def _entry(item: Item) -> JSON:
    entry: dict[str, JSON] = {"path": str(item.path), "kind": item.kind}
    if item.kind == "file":
        entry["size"] = item.found.st_size
    if item.kind in ("file", "folder"):
        entry["modified"] = time_text(item.found.st_mtime)
    if item.kind == "link":
        target = item.folder.leads_to(item.name)
        entry["leads_to"] = None if target is None else str(target)
    if item.ignored:
        entry["ignored"] = True
    if not is_fit(item.name):
        entry["unfit"] = True
    return entry
