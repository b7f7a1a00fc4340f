"""A file system in memory that fails and loses power when it is told to. See port."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio.lowlevel
import attrs

from clawmatrix_knowledge.files.disk import Disk, Node
from clawmatrix_knowledge.files.lookup import Lookup, error_of
from clawmatrix_knowledge.files.port import (
    Entry,
    Handle,
    Names,
    NotRegular,
    OpenAs,
    Space,
    Stat,
    check_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

__all__ = ["Fault", "MemoryFiles", "PowerLost"]

T = TypeVar("T")
_MASK = 0o022


class PowerLost(BaseException):
    """The machine lost power. No ``except Exception`` may go on from there."""


@attrs.frozen
class Fault:
    """Makes calls fail.

    Attributes:
        number: the error's, as in ``errno``.
        names: the place; what is below it fails too.
        does: the name of the function; None for all.
    """

    number: int
    names: Names = ()
    does: str | None = None

    def concerns(self, does: str, names: Names) -> bool:
        """Say whether a call fails."""
        return names[: len(self.names)] == self.names and self.does in (None, does)


class MemoryFiles:
    """Files in memory.

    Args:
        disk: what is there at the beginning.
        clock: returns nanoseconds since 1970.
        exchanges: whether it can exchange two names.
        links: whether a file can have several names.
        ignores_case: whether ``a`` and ``A`` are one name.
        ignores_form: whether two Unicode forms of a letter are one name.

    Attributes:
        faults: what fails now.
        capacity: bytes of files that it takes; None for as many as there are.
        steps: how often something was written, renamed or synced.
        crash_at: the step at which it loses power, before it is taken; None for never.
        watch: is called before each step with the name of the function and the place; what it does
            to the files happens in between, as what other programs do.
    """

    def __init__(
        self,
        disk: Disk | None = None,
        *,
        clock: Callable[[], int] = lambda: 0,
        exchanges: bool = True,
        links: bool = True,
        ignores_case: bool = False,
        ignores_form: bool = False,
    ) -> None:
        self.disk = Disk() if disk is None else disk
        self.faults: list[Fault] = []
        self.capacity: int | None = None
        self.steps = 0
        self.crash_at: int | None = None
        self.watch: Callable[[str, Names], None] | None = None
        self._clock = clock
        self._exchanges, self._links = exchanges, links
        self._lookup = Lookup(
            self.disk, clock, ignores_case=ignores_case, ignores_form=ignores_form
        )
        self._is_down = False

    # What a file system does.

    def list(self, folder: Names) -> Sequence[Entry]:
        """See Files."""
        self._check("list", folder)
        entries = self._lookup.folder(folder).entries
        return [self._entry(folder, name) for name in entries]

    def stat(self, names: Names) -> Stat | None:
        """See Files."""
        self._check("stat", names)
        if not names:
            return self.stat_of(self.disk.root, names)
        node = self._lookup.find(names)
        return None if node is None else self.stat_of(node, names)

    def open(self, names: Names, how: OpenAs = "read") -> Handle:
        """See Files."""
        if how != "new":
            self._check("open", names)
            node = self._lookup.need(names)
            if node.kind == "link":
                raise error_of(errno.ELOOP, names)
            if node.kind != "file":
                raise NotRegular("/".join(names))
            return _MemoryHandle(self, node, names)
        self.step("open", names)
        self._lookup.need_free(names)
        node = self.disk.make("file", 0o666 & ~_MASK)
        node.mtime = node.ctime = self._clock()
        self._lookup.name(names, node)
        return _MemoryHandle(self, node, names)

    def make_folder(self, names: Names, mode: int = 0o777) -> None:
        """See Files."""
        self.step("make_folder", names)
        self._lookup.need_free(names)
        node = self.disk.make("folder", mode & ~_MASK)
        node.mtime = node.ctime = self._clock()
        self._lookup.name(names, node)

    def protect_folder(self, names: Names) -> None:
        """See Files."""
        self.step("protect_folder", names)
        self._lookup.folder(names).mode = 0o700

    def remove_folder(self, names: Names) -> None:
        """See Files."""
        self.step("remove_folder", names)
        node = self._lookup.need(names)
        if node.kind != "folder":
            raise error_of(errno.ENOTDIR, names)
        if node.device is not None:
            raise error_of(errno.EBUSY, names)
        if node.entries:
            raise error_of(errno.ENOTEMPTY, names)
        self._lookup.name(names, None)

    def exchange(self, one: Names, other: Names) -> None:
        """See Files."""
        self.step("exchange", other)
        if not self._exchanges:
            raise error_of(errno.EINVAL, other)
        first, second = self._lookup.need_two(one, other), self._lookup.need(other)
        self._lookup.check_device(one, other)
        first.ctime = second.ctime = self._clock()
        self._lookup.apply(self._lookup.change(one, second), self._lookup.change(other, first))

    def rename(self, old: Names, new: Names) -> None:
        """See Files."""
        self.step("rename", new)
        self._rename(old, new)

    def rename_new(self, old: Names, new: Names) -> None:
        """See Files."""
        self.step("rename_new", new)
        self._lookup.need_two(old, new)
        if self._lookup.find(new) is not None and not self._lookup.is_one_name(old, new):
            raise error_of(errno.EEXIST, new)
        self._rename(old, new)

    def link(self, old: Names, new: Names) -> None:
        """See Files."""
        self.step("link", new)
        if not self._links:
            raise error_of(errno.EPERM, new)
        node = self._lookup.need_two(old, new)
        self._lookup.need_free(new)
        self._lookup.check_device(old, new)
        node.ctime = self._clock()
        self._lookup.name(new, node)

    def unlink(self, names: Names) -> None:
        """See Files."""
        self.step("unlink", names)
        node = self._lookup.need(names)
        if node.kind == "folder":
            raise error_of(errno.EISDIR, names)
        node.ctime = self._clock()
        self._lookup.name(names, None)

    def sync_folder(self, names: Names) -> None:
        """See Files."""
        self.step("sync_folder", names)
        self.disk.sync_folder(self._lookup.folder(names))

    def space(self) -> Space:
        """See Files."""
        total = 2**40 if self.capacity is None else self.capacity
        return Space(max(0, total - self._used()), total)

    async def run(self, function: Callable[[], T]) -> T:
        """See Files. Others have their turn before it."""
        await anyio.lowlevel.checkpoint()
        return function()

    async def run_all(self, functions: Sequence[Callable[[], T]]) -> Sequence[T]:
        """See Files."""
        await anyio.lowlevel.checkpoint()
        return [function() for function in functions]

    # What befalls it.

    def crash(self, keeps: Callable[[], bool] = lambda: False) -> None:
        """Lose power, and start again with what is on the disk. See Disk.lose_power."""
        self.disk.lose_power(keeps)
        self._is_down, self.crash_at = False, None

    def mount(self, names: Names, device: int = 2) -> None:
        """Let a folder be the root of another file system, with what is in it now."""
        self._lookup.folder(names).device = device

    def unmount(self, names: Names) -> Node:
        """Take it away, and leave an empty folder. ``put_node`` brings it back."""
        node = self._lookup.need(names)
        empty = self.disk.make("folder", node.mode)
        with self.others():
            self._lookup.name(names, empty)
        return node

    def put_node(self, names: Names, node: Node | None) -> None:
        """Let a name stand for something, or for nothing, as another program does."""
        with self.others():
            self._lookup.name(names, node)

    @contextmanager
    def others(self) -> Iterator[None]:
        """What is done within is done by another program: it is no step, and no fault."""
        kept = self.faults, self.crash_at, self.watch, self.steps, self._is_down
        self.faults, self.crash_at, self.watch, self._is_down = [], None, None, False
        try:
            yield
        finally:
            self.faults, self.crash_at, self.watch, self.steps, self._is_down = kept

    # What its handles need.

    def stat_of(self, node: Node, names: Names) -> Stat:
        """Say what a node is."""
        size = len(node.data)
        device = self._lookup.device(names)
        return Stat(
            node.kind, size, node.mtime, node.ctime, node.number, device, node.mode, node.links
        )

    def step(self, does: str, names: Names) -> None:
        """Count a step, unless it fails or power is lost before it. Raises: PowerLost, OSError."""
        self._check(does, names)
        watch = self.watch
        if watch is not None:
            with self.others():
                watch(does, names)
        self.steps += 1
        if self.crash_at is not None and self.steps >= self.crash_at:
            self._is_down = True
            raise PowerLost

    def check(self, does: str, names: Names) -> None:
        """Raises: what this call fails with, if it does."""
        self._check(does, names)

    def room_for(self, more: int) -> int:
        """Return how many of some bytes there is room for."""
        return more if self.capacity is None else min(more, self.space().free)

    def now(self) -> int:
        """Return the time, nanoseconds since 1970."""
        return self._clock()

    def _check(self, does: str, names: Names) -> None:
        if self._is_down:
            raise PowerLost
        check_names(names)
        for fault in self.faults:
            if fault.concerns(does, names):
                raise error_of(fault.number, names)

    def _entry(self, folder: Names, name: str) -> Entry:
        names = (*folder, name)
        try:
            return Entry(name, self.stat(names))
        except OSError as error:
            return Entry(name, None, error)

    def _used(self) -> int:
        return sum(len(node.data) for node in self.disk.nodes())

    def _rename(self, old: Names, new: Names) -> None:
        node = self._lookup.need_two(old, new)
        self._lookup.check_device(old, new)
        replaced = self._lookup.find(new)
        if replaced is not None and replaced.kind == "folder" and replaced is not node:
            raise error_of(errno.EISDIR, new)
        away, there = self._lookup.change(old, None), self._lookup.change(new, node)
        if replaced is node and not self._lookup.is_one_name(old, new):
            # Two names of one file both stay.
            return
        if replaced is node:
            there = attrs.evolve(there, name=new[-1])
        node.ctime = self._clock()
        self._lookup.apply(away, there)


class _MemoryHandle:
    def __init__(self, files: MemoryFiles, node: Node, names: Names) -> None:
        self._files, self._node, self._names = files, node, names

    def stat(self) -> Stat:
        self._files.check("stat", self._names)
        return self._files.stat_of(self._node, self._names)

    def read(self, offset: int, size: int) -> bytes:
        self._files.check("read", self._names)
        return self._node.data[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        self._files.step("write", self._names)
        if not data:
            return
        old = self._node.data.ljust(offset, b"\0")
        room = self._files.room_for(max(0, offset + len(data) - len(self._node.data)))
        whole = old[:offset] + data + old[offset + len(data) :]
        self._set(whole[: len(self._node.data) + room])
        if len(whole) > len(self._node.data):
            raise error_of(errno.ENOSPC, self._names)

    def truncate(self, size: int) -> None:
        self._files.step("truncate", self._names)
        self._set(self._node.data[:size].ljust(size, b"\0"))

    def set(self, mode: int | None, mtime: int | None) -> None:
        self._files.step("set", self._names)
        if mode is not None:
            self._node.mode = mode
        if mtime is not None:
            self._node.mtime = mtime
        self._node.ctime = self._files.now()

    def sync(self) -> None:
        self._files.step("sync", self._names)
        self._node.disk_data = self._node.data

    def _set(self, data: bytes) -> None:
        self._node.data = data
        self._node.mtime = self._node.ctime = self._files.now()

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass
