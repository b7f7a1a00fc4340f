"""The roots: folders of the configuration, each opened once and held open."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from clawmatrix_tool_proxy.files.errors import failure, refusal
from clawmatrix_tool_proxy.files.folder import Folder
from clawmatrix_tool_proxy.files.mounts import kernel_devices
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.rules import Rules
from clawmatrix_tool_proxy.own_places import identity
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Self

    from clawmatrix_tool_proxy.files.config import RootTable
    from clawmatrix_tool_proxy.own_places import Identity, Own, OwnPlaces

__all__ = ["Root", "Roots", "Visit", "named"]


@attrs.define(eq=False)
class Root:
    """A root whose folder is open.

    Attributes:
        name: what paths call it.
        table: what the configuration says.
        descriptor: the folder.
        identity: which folder it is.
    """

    name: str
    table: RootTable
    descriptor: int
    identity: Identity


class Roots:
    """The roots that are in force. Safe to use from several threads.

    Attributes:
        problems: why the folder of a root cannot be used, by the root's name; it is tried again
            with each call.
    """

    def __init__(self, tables: Mapping[str, RootTable], places: OwnPlaces) -> None:
        self.problems: dict[str, str] = {}
        self._tables = dict(tables)
        self._places = places
        self._lock = threading.Lock()
        self._open: dict[str, Root] = {}

    def __enter__(self) -> Self:
        """Open the folders. Those that cannot be used are in ``problems``."""
        with self._lock:
            self._open_missing(self._places.look())
        return self

    def __exit__(self, *_: object) -> None:
        """Close the folders."""
        with self._lock:
            self._close(self._tables)

    def replace(self, tables: Mapping[str, RootTable]) -> None:
        """Take other roots from now on; calls that have begun go on with theirs."""
        with self._lock:
            self._close({name for name, old in self._tables.items() if tables.get(name) != old})
            self._tables = dict(tables)
            self._open_missing(self._places.look())

    @contextmanager
    def visit(self, name: str) -> Iterator[Visit]:
        """Give one call a root; what is the node's own is looked up anew.

        Raises: ToolError ``no_root``.
        """
        own = self._places.look()
        with self._lock:
            self._open_missing(own)
            if (root := self._open.get(name)) is None:
                raise self._no_root(name)
            rules = Rules(own, {root.identity: root.name for root in self._open.values()})
            visit = Visit(root.table, Folder(_opened_again(root), RootPath(name), rules))
        with visit.top:
            yield visit

    @property
    def configured(self) -> bool:
        """Whether there are any roots, open or not."""
        return bool(self._tables)

    def tables(self) -> Mapping[str, RootTable]:
        """Return the roots that can be used, in order of their names."""
        with self._lock:
            self._open_missing(self._places.look())
            return {name: self._open[name].table for name in sorted(self._open)}

    def _no_root(self, name: str) -> ToolError:
        words = (
            "cannot be opened on this node at present" if name in self._tables else "is not here"
        )
        return ToolError(f"{name}: the root {words}", "no_root")

    def _close(self, names: Collection[str]) -> None:
        for name in names:
            self.problems.pop(name, None)
            if (root := self._open.pop(name, None)) is not None:
                os.close(root.descriptor)

    def _open_missing(self, own: Own) -> None:
        for name in self._tables.keys() - self._open.keys():
            self.problems.pop(name, None)
            try:
                self._open[name] = self._opened(name, own)
            except OSError as error:
                self.problems[name] = f"{self._tables[name].path}: {error.strerror}"
            except _Unfit as error:
                self.problems[name] = f"{self._tables[name].path}: {error}"

    def _opened(self, name: str, own: Own) -> Root:
        table = self._tables[name]
        descriptor = os.open(table.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if own.holds(descriptor):
                raise _Unfit("it is, or is in, a folder of the node's own")
            if found.st_dev in kernel_devices():
                raise _Unfit("the files there are the kernel's")
            for other in self._open.values():
                if other.identity == identity(found):
                    raise _Unfit(f"it is the folder of the root {other.name}, too")
        except BaseException:
            os.close(descriptor)
            raise
        return Root(name, table, descriptor, identity(found))


def _opened_again(root: Root) -> int:
    """Return a descriptor of its own; a copy would share its place in the list of names."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(".", flags, dir_fd=root.descriptor)
    except OSError as error:
        raise failure(RootPath(root.name), error) from None


class _Unfit(Exception):
    """A folder cannot be a root."""


@attrs.frozen
class Visit:
    """A root, for one call.

    Attributes:
        table: what the configuration says of it.
        top: its folder.
    """

    table: RootTable
    top: Folder

    @contextmanager
    def folder(self, path: RootPath, *, make: bool = False) -> Iterator[Folder]:
        """Open a folder, one component after the other.

        Args:
            path: the folder.
            make: folders that are not there are made.

        Raises: ToolError.
        """
        here = self.top
        try:
            for name in path.parts:
                below = here.make(name) if make else here.folder(name)
                here, above = below, here
                if above is not self.top:
                    above.__exit__()
            yield here
        finally:
            if here is not self.top:
                here.__exit__()

    @contextmanager
    def file(self, path: RootPath) -> Iterator[int]:
        """Open a file for reading; gives its descriptor. Raises: ToolError."""
        with self.folder(path.parent) as folder:
            descriptor = folder.file(named(path))
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def require_write(self, path: RootPath) -> None:
        """Raises: ToolError ``read_only``, where the root is not for writing."""
        if not self.table.write:
            raise refusal(path, "read_only", f"the root {path.root} is not for writing")


def named(path: RootPath) -> str:
    """Return the name of a file. Raises: ToolError, for the root itself."""
    if not path.parts:
        raise refusal(path, "wrong_kind", "it is a root, no file")
    return path.parts[-1]
