"""The roots as commands use them: which folder each was when it was first looked at."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.job import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_tool_proxy.files.config import RootTable

__all__ = ["CommandRoots"]


class CommandRoots:
    """Remembers the folders of roots, so that no other can take the place of one.

    Safe to use from several threads.

    Args:
        tables: the roots that commands use, by name.

    Attributes:
        names: what they are called.
    """

    def __init__(self, tables: Mapping[str, RootTable]) -> None:
        self._tables = dict(tables)
        self.names = tuple(tables)
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    def look(self) -> Mapping[str, Place]:
        """Return the roots that are there. Blocks for as long as the file system takes."""
        with self._lock:
            for name, table in self._tables.items():
                if name not in self._places:
                    self._add(name, table)
            return {name: self._places[name] for name in self._tables if name in self._places}

    def _add(self, name: str, table: RootTable) -> None:
        path = os.path.realpath(table.path.expanduser())
        try:
            found = os.stat(path, follow_symlinks=False)
        except OSError:
            return
        self._places[name] = Place(path, found.st_dev, found.st_ino, table.write)
