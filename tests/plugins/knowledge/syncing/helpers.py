"""Workspaces in memory, and a wire between them that is a function call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.memory import MemoryFiles
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.ids import ContentHasher
from clawmatrix_knowledge.index.backend import InProcess
from clawmatrix_knowledge.index.handle import Handler
from clawmatrix_knowledge.index.index import Index
from clawmatrix_knowledge.index.store import Store
from clawmatrix_knowledge.paths import OWN_FOLDER
from clawmatrix_knowledge.syncing.workspace import Options, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_knowledge.files.port import Names

__all__ = ["Clock", "Machine", "sync"]


class Clock:
    """A clock that goes on by a second each time it is read by a file system."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def tick(self) -> int:
        """Return nanoseconds, later ones each time."""
        self.seconds += 0.001
        return int(self.seconds * 1e9)


async def directly(function: Callable[[], object]) -> object:
    """Call a function at once."""
    return function()


class Machine:
    """A node: a disk, and the workspace that is open on it."""

    def __init__(self, name: str, clock: Clock | None = None) -> None:
        self.name = name
        self.clock = clock or Clock()
        self.files = MemoryFiles(clock=self.clock.tick)
        self.options = Options(author=name)
        self.joins = False
        self.suspicious = False
        self._tokens = 0
        self._space: Workspace | None = None

    @property
    def space(self) -> Workspace:
        """The workspace."""
        assert self._space is not None
        return self._space

    async def start(self) -> Machine:
        """Open the workspace."""
        tree = await Tree.open(self.files, self._token)
        backends = [InProcess(lambda: Handler().handle) for _ in range(2)]
        index = Index(backends[0], Store(FilesShelf(self.files)), backends[1], directly)
        self._space = await Workspace.open(
            tree, index, self.options, self.clock, joins=self.joins, suspicious=self.suspicious
        )
        return self

    async def lose_power(self) -> None:
        """Lose power, and start again."""
        self.files.crash()
        self.suspicious = True
        await self.start()
        self.suspicious = False

    def write(self, path: str, data: bytes | str, *, executable: bool = False) -> None:
        """Write a file as another program does, in place."""
        data = data.encode() if isinstance(data, str) else data
        names = tuple(path.split("/"))
        with self.files.others():
            for depth in range(1, len(names)):
                if self.files.stat(names[:depth]) is None:
                    self.files.make_folder(names[:depth])
            is_new = self.files.stat(names) is None
            with self.files.open(names, "new" if is_new else "write") as handle:
                handle.truncate(0)
                handle.write(0, data)
                handle.set(0o755 if executable else 0o644, None)

    def append(self, path: str, text: str) -> None:
        """Add to a file."""
        self.write(path, self.read(path) + text.encode())

    def read(self, path: str) -> bytes:
        """Return what a file holds, nothing where there is none."""
        return self.tree().get(path, b"")

    def delete(self, path: str) -> None:
        """Delete a file."""
        with self.files.others():
            self.files.unlink(tuple(path.split("/")))

    def tree(self) -> dict[str, bytes]:
        """Return all files of the workspace."""
        with self.files.others():
            return dict(self._below(()))

    def _below(self, folder: Names) -> Sequence[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        for entry in self.files.list(folder):
            names = (*folder, entry.name)
            if entry.name == OWN_FOLDER or entry.stat is None:
                continue
            if entry.stat.kind == "folder":
                found += self._below(names)
            elif entry.stat.kind == "file":
                with self.files.open(names) as handle:
                    found.append(("/".join(names), handle.read(0, entry.stat.size)))
        return found

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:08x}"


async def talk(one: Machine, other: Machine) -> None:
    """Let two nodes tell each other all versions, from the beginning."""
    ends = (one, other), (other, one)
    for end, peer in ends:
        await end.space.index.open_share(peer.name)
    for _ in range(100):
        quiet = True
        for sender, receiver in ends:
            message = await sender.space.index.message_for(receiver.name)
            if message is not None:
                quiet = False
                taken = await receiver.space.index.take(sender.name, message)
                await receiver.space.received(taken.new)
        if quiet:
            break
    else:
        raise AssertionError("they never end")
    for end, peer in ends:
        await end.space.index.close_share(peer.name)


async def fetch(machine: Machine, others: Sequence[Machine]) -> bool:
    """Bring what a node lacks from others; say whether anything came."""
    came = False
    for content in list(machine.space.missing):
        for other in others:
            if other is machine or not other.space.has(content):
                continue
            staged = await machine.space.stage()
            hasher = ContentHasher()
            try:
                async for part in other.space.read(content):
                    hasher.update(part)
                    await staged.write(part)
            except KeyError:
                continue
            assert hasher.digest() == content
            machine.space.take_fetched(content, staged)
            came = True
            break
    return came


async def sync(*machines: Machine, scans: bool = True) -> None:
    """Let all nodes scan, talk and fetch until nothing changes any more."""
    for machine in machines:
        if scans:
            await machine.space.work()
    for _ in range(30):
        before = [sorted(machine.space.index.heads) for machine in machines]
        for number, one in enumerate(machines):
            for other in machines[number + 1 :]:
                await talk(one, other)
        for machine in machines:
            await machine.space.settle()
        came = [await fetch(machine, machines) for machine in machines]
        for machine in machines:
            await machine.space.settle()
        if not any(came) and before == [sorted(one.space.index.heads) for one in machines]:
            return
    raise AssertionError("they never settle")
