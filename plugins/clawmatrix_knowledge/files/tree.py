"""The workspace's files by their paths in the index."""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from clawmatrix_knowledge.files.locating import Hindered, Locator, nfc
from clawmatrix_knowledge.files.near import leave, leave_folder
from clawmatrix_knowledge.files.placing import (
    Aside,
    Batch,
    Placing,
    Put,
    Removal,
    Staged,
    place_key,
)
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.traits import TEMPORARY, Traits, make_own_folder, try_out
from clawmatrix_knowledge.ids import BLOCK
from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from clawmatrix_knowledge.files.port import Files, Handle, Names, Stat

__all__ = [
    "Aside",
    "Changed",
    "Leftover",
    "Listing",
    "Placing",
    "Put",
    "Removal",
    "Staged",
    "Tree",
    "place_key",
]

_BATCH: Final = 512
"""Files that are put on the disk before their folders are."""


class Changed(Exception):
    """A file changed while it was read, or is not there any more."""


@attrs.frozen
class Listing:
    """What is in a folder.

    Attributes:
        entries: what can be synced, by its name in the form NFC.
        problems: what cannot.
    """

    entries: Mapping[str, Stat]
    problems: Sequence[Problem]


@attrs.frozen
class Leftover:
    """A file that a crash left below ``.clawmatrix/tmp``, which may be an edit.

    Attributes:
        names: where it is.
        key: ``place_key`` of its path.
        stat: what it is.
    """

    names: Names
    key: str
    stat: Stat


class Tree:
    """Reads and replaces files, made by ``Tree.open``.

    Functions take paths of the index. They raise OSError for what concerns the whole workspace;
    what concerns one path is a problem in their result.

    Attributes:
        files: the file system.
        traits: what it can do.
        token: returns hexadecimal digits that it never returned before.
    """

    def __init__(self, files: Files, traits: Traits, token: Callable[[], str]) -> None:
        self.files, self.traits = files, traits
        self.token = token
        self._writing = anyio.Lock()

    @classmethod
    async def open(
        cls, files: Files, token: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> Tree:
        """Make the folder ``.clawmatrix`` where it is missing, and try out the file system.

        Args:
            files: the file system.
            token: see the attribute.

        Raises:
            Unsupported: it can replace no file safely.
            OSError: it does not take files.
        """

        def prepare() -> Traits:
            make_own_folder(files)
            return try_out(files, token)

        return cls(files, await files.run(prepare), token)

    async def list(self, folder: str = "") -> Listing:
        """List a folder, the root without a path. Raises: OSError, Hindered."""
        return await self.files.run(lambda: self._list(folder))

    async def stat(self, path: str) -> Stat | None:
        """Say what is at a path, also a folder or a link. Raises: OSError, Hindered."""
        return (await self.files.run(lambda: self._locator().find(path)))[1]

    async def find(self, path: str) -> tuple[Names, Stat | None]:
        """Say where a path is on the disk, and what is there. Raises: OSError, Hindered."""
        return await self.files.run(lambda: self._locator().find(path))

    async def read(self, path: str, expected: Stat | None = None) -> AsyncIterator[bytes]:
        """Yield a file's bytes in parts of at most 1 MiB.

        Only when it ends without an error were they the bytes of one state of the file.

        Args:
            path: the file.
            expected: what it has to be.

        Raises:
            Changed: it is another file than expected, changed meanwhile, or is not there.
            OSError: it cannot be read. NotRegular, where it is no regular file.
        """
        try:
            names, _ = await self.find(path)
        except Hindered as error:
            raise Changed(str(error)) from None
        async for part in self.read_at(names, expected):
            yield part

    async def read_at(self, names: Names, expected: Stat | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of a file at a place, as ``read`` does."""
        try:
            handle, first = await self.files.run(lambda: self._open(names))
        except (FileNotFoundError, NotADirectoryError):
            raise Changed(f"{'/'.join(names)} is not there") from None
        with handle:
            if expected is not None and not first.is_content_as(expected):
                raise Changed(f"{'/'.join(names)} is not what it was")
            for offset in range(0, first.size, BLOCK):
                part, now = await self.files.run(partial(_part, handle, offset))
                if len(part) < min(BLOCK, first.size - offset):
                    raise Changed(f"{'/'.join(names)} became shorter")
                if not now.is_as(first):
                    raise Changed(f"{'/'.join(names)} changed while it was read")
                yield part

    async def stage(self) -> StagedFile:
        """Make an empty file to fill, below ``.clawmatrix/tmp``. Raises: OSError."""
        names = (*TEMPORARY, f"new-{self.token()}")

        def make() -> None:
            with self.files.open(names, "new"):
                pass

        await self.files.run(make)
        return StagedFile(self.files, names)

    async def put(
        self,
        path: str,
        content: Staged | bytes,
        expected: Stat | None,
        *,
        executable: bool = False,
        mtime: int | None = None,
    ) -> Put:
        """Put a file in its place. See Placing."""
        placing = Placing(path, content, expected, executable, mtime)
        return (await self.put_many([placing]))[0]

    async def put_many(self, placings: Sequence[Placing]) -> Sequence[Put]:
        """Put files in their places, all on the disk when it returns. Paths must not repeat.

        It goes on to its end when cancelled.
        """
        results: list[Put] = []
        async with self._writing:
            with anyio.CancelScope(shield=True):
                for at in range(0, len(placings), _BATCH):
                    results += await self._put_some(placings[at : at + _BATCH])
        return results

    async def remove(self, path: str, expected: Stat) -> Put:
        """Take a file away, and the folders that are empty then."""
        return (await self.remove_many([Removal(path, expected)]))[0]

    async def remove_many(self, removals: Sequence[Removal]) -> Sequence[Put]:
        """Take files away. All of it is on the disk when it returns, also when cancelled."""
        results: Sequence[Put] = []
        async with self._writing:
            with anyio.CancelScope(shield=True):
                batch = self._batch()
                results = await self.files.run(lambda: [batch.remove(one) for one in removals])
                results = await self._finish(batch, [one.path for one in removals], results)
        return results

    async def move(self, aside: Aside | Staged | Leftover, names: Names) -> Stat | None:
        """Move a file to a free place below ``.clawmatrix``, and say what it is there.

        Its inode stays the same, so that what a program still writes to it shows there.
        Raises: OSError; FileExistsError, where the place is taken. EXDEV, where the file is on
        a file system of its own: then its bytes have to be copied.
        """

        def move() -> Stat | None:
            self.files.rename_new(aside.names, names)
            self.files.sync_folder(names[:-1])
            self.files.sync_folder(aside.names[:-1])
            leave_folder(self.files, aside.names)
            return self.files.stat(names)

        return await self.files.run(move)

    async def move_to_history(self, aside: Aside, names: Names) -> Stat | None:
        """Move what was replaced or removed to the history. See ``move``."""
        return await self.move(aside, names)

    async def discard(self, aside: Aside | Staged | Leftover) -> None:
        """Remove a file below ``.clawmatrix`` whose content is kept, or not needed."""

        def discard() -> None:
            if not aside.names:
                return
            if OWN_FOLDER not in aside.names[:-1]:
                raise ValueError(f"{'/'.join(aside.names)} is not below {OWN_FOLDER}")
            with suppress(FileNotFoundError):
                self.files.unlink(aside.names)
            leave_folder(self.files, aside.names)

        await self.files.run(discard)

    async def leftovers(self, strays: Sequence[Names] = ()) -> Sequence[Leftover]:
        """Return what a crash left that may be an edit; remove what cannot be one.

        To be called before anything else is put or staged.

        Args:
            strays: more folders to look at: those of a scan.
        """

        def look() -> Sequence[Leftover]:
            folders = (TEMPORARY, *((*names, TEMPORARY[-1]) for names in strays))
            return [left for folder in folders for left in self._left_in(folder)]

        return await self.files.run(look)

    def _open(self, names: Names) -> tuple[Handle, Stat]:
        handle = self.files.open(names)
        try:
            return handle, handle.stat()
        except BaseException:
            handle.__exit__(None, None, None)
            raise

    def _list(self, folder: str) -> Listing:
        names: Names = ()
        if folder:
            names, _ = self._locator().find(folder)
        entries: dict[str, Stat] = {}
        problems: list[Problem] = []
        for entry in self.files.list(names):
            path = "/".join((*names, entry.name))
            if entry.stat is None:
                problems.append(problem_of(path, entry.error or OSError()))
            else:
                entries[nfc(entry.name)] = entry.stat
        return Listing(entries, problems)

    def _left_in(self, folder: Names) -> Sequence[Leftover]:
        found: list[Leftover] = []
        for entry in self.files.list(folder):
            names = (*folder, entry.name)
            kind, _, rest = entry.name.partition("-")
            if kind == "out" and entry.stat is not None:
                found.append(Leftover(names, rest.partition("-")[0], entry.stat))
            elif kind in ("new", "try"):
                leave(self.files, names)
        return found

    async def _put_some(self, placings: Sequence[Placing]) -> Sequence[Put]:
        batch = self._batch()
        prepared = await self.files.run_all(
            [lambda one=one: batch.prepare(one) for one in placings]  # type: ignore[misc]
        )

        def place() -> Sequence[Put]:
            return [
                Put(False, problem=ready)
                if isinstance(ready, Problem)
                else batch.place(placing, *ready)
                for placing, ready in zip(placings, prepared, strict=True)
            ]

        results = await self.files.run(place)
        return await self._finish(batch, [one.path for one in placings], results)

    async def _finish(
        self, batch: Batch, paths: Sequence[str], results: Sequence[Put]
    ) -> Sequence[Put]:
        """Put the folders on the disk. Where that fails nothing counts as done."""
        folders = sorted(batch.folders)
        errors = await self.files.run_all(
            [lambda names=names: self._sync(names) for names in folders]  # type: ignore[misc]
        )
        error = next((one for one in errors if one is not None), None)
        if error is None:
            return results
        return [
            attrs.evolve(one, done=False, problem=one.problem or problem_of(path, error))
            for path, one in zip(paths, results, strict=True)
        ]

    def _sync(self, names: Names) -> OSError | None:
        try:
            self.files.sync_folder(names)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error
        return None

    def _locator(self) -> Locator:
        return Locator(self.files, ignores_case=self.traits.ignores_case)

    def _batch(self) -> Batch:
        return Batch(self.files, self.traits, self.token)


def _part(handle: Handle, offset: int) -> tuple[bytes, Stat]:
    return handle.read(offset, BLOCK), handle.stat()


class StagedFile(Staged):
    """A staged file that is filled bit by bit. ``put`` puts it on the disk."""

    def __init__(self, files: Files, names: Names) -> None:
        super().__init__(names)
        self._files = files
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises: OSError."""

        def write() -> None:
            with self._files.open(self.names, "write") as handle:
                handle.write(self.size, data)

        await self._files.run(write)
        self.size += len(data)
