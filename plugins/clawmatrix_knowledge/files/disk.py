"""What a disk in memory holds now, and what it would hold after a loss of power."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_knowledge.files.port import Kind

__all__ = ["Change", "Disk", "Node"]


@attrs.define(eq=False)
class Node:
    """A file or folder, under whatever names.

    Attributes:
        number: its inode.
        kind: what it is.
        data: its bytes.
        entries: what is in it, by name.
        disk_data: the bytes that a loss of power leaves.
        disk_entries: the names that it leaves.
        device: of a mount, its device; else None.
    """

    number: int
    kind: Kind
    mode: int
    mtime: int = 0
    ctime: int = 0
    links: int = 0
    data: bytes = attrs.field(default=b"", repr=False)
    entries: dict[str, Node] = attrs.field(factory=dict, repr=False)
    disk_data: bytes = attrs.field(default=b"", repr=False)
    disk_entries: dict[str, Node] = attrs.field(factory=dict, repr=False)
    device: int | None = None


@attrs.frozen
class Change:
    """A name that stands for another file now, or for none."""

    folder: Node
    name: str
    node: Node | None


class Disk:
    """Files in memory. Names change at once; on the disk they do when their folder is synced.

    A rename changes two names in one step, which a loss of power leaves whole or undone, as
    file systems with a journal do. It never undoes one step and leaves a later one in the same
    folder.
    """

    def __init__(self) -> None:
        self._last = 1
        self.root = Node(1, "folder", 0o755, links=1)
        self._steps: list[tuple[Change, ...]] = []

    def make(self, kind: Kind, mode: int) -> Node:
        """Return a file or folder that has no name yet."""
        self._last += 1
        return Node(self._last, kind, mode)

    def change(self, *changes: Change) -> None:
        """Change names in one step."""
        for one in changes:
            old = one.folder.entries.get(one.name)
            if old is not None:
                old.links -= 1
            if one.node is not None:
                one.node.links += 1
            _apply(one.folder.entries, one)
        self._steps.append(changes)

    def sync_folder(self, folder: Node) -> None:
        """Put the names of a folder on the disk, and what they depend on."""
        folders = {id(folder)}
        chosen: list[tuple[Change, ...]] = []
        rest: list[tuple[Change, ...]] = []
        for step in reversed(self._steps):
            of_step = {id(change.folder) for change in step}
            if folders & of_step:
                folders |= of_step
                chosen.append(step)
            else:
                rest.append(step)
        for step in reversed(chosen):
            _put_down(step)
        self._steps = rest[::-1]

    def sync_all(self) -> None:
        """Put everything on the disk, as an orderly shutdown does."""
        for step in self._steps:
            _put_down(step)
        self._steps.clear()
        for node in self.nodes():
            node.disk_data = node.data

    def lose_power(self, keeps: Callable[[], bool]) -> None:
        """Forget what is not on the disk.

        Args:
            keeps: is asked of each step and each file, and says whether the disk had already put
                it down of its own accord.
        """
        undone: set[int] = set()
        for step in self._steps:
            of_step = {id(change.folder) for change in step}
            if undone & of_step or not keeps():
                undone |= of_step
            else:
                _put_down(step)
        self._steps.clear()
        seen: dict[int, Node] = {}
        _revert(self.root, keeps, seen)
        for node in seen.values():
            node.links = 0
        for node in (self.root, *self.nodes()):
            node.links += 1

    def copy(self) -> Disk:
        """Return an image of it."""
        return copy.deepcopy(self)

    def nodes(self) -> Iterator[Node]:
        """Return what has a name, once for each name."""
        folders = [self.root]
        while folders:
            below = folders.pop().entries.values()
            yield from below
            folders.extend(node for node in below if node.kind == "folder")


def _put_down(step: tuple[Change, ...]) -> None:
    for change in step:
        _apply(change.folder.disk_entries, change)


def _apply(entries: dict[str, Node], change: Change) -> None:
    if change.node is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.node


def _revert(node: Node, keeps: Callable[[], bool], seen: dict[int, Node]) -> None:
    if id(node) in seen:
        return
    seen[id(node)] = node
    if node.data != node.disk_data:
        if keeps():
            node.disk_data = node.data
        node.data = node.disk_data
    node.entries = dict(node.disk_entries)
    for below in node.entries.values():
        _revert(below, keeps, seen)
