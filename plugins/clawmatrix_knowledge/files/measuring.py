"""Reading a file to know what it is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import attrs

from clawmatrix_knowledge.files.port import Names, NotRegular
from clawmatrix_knowledge.files.problems import Problem, problem_of
from clawmatrix_knowledge.files.tree import Changed
from clawmatrix_knowledge.ids import BLOCK, ContentHasher
from clawmatrix_knowledge.merging.classes import TEXT_BYTES, is_text

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files, Handle, Stat
    from clawmatrix_knowledge.files.tree import StagedFile, Tree
    from clawmatrix_knowledge.versions import ContentId

__all__ = [
    "SMALL",
    "Found",
    "Measured",
    "copy_start",
    "is_unsettled",
    "measure",
    "measure_large",
    "time_of",
]

SMALL: Final = 16 * 1024**2
"""Bytes of a file that is read in one go; a larger one can be cancelled in between."""
TICK: Final = 2 * 10**9
"""Nanoseconds between two times that the coarsest file system tells apart."""
_WRITTEN_BACK: Final = 120 * 10**9
"""Nanoseconds after which a system has put on its disk what programs wrote."""


@attrs.frozen
class Found:
    """What a file is.

    Attributes:
        content: its bytes.
        text: whether these are text that can be merged.
        stat: the file system's word on it.
        young: whether it changed so lately that another change might not show.
    """

    content: ContentId
    text: bool
    stat: Stat
    young: bool


Measured: TypeAlias = Found | Problem


def time_of(files: Files, names: Names) -> int | None:
    """Return the time by the file system's clock, nanoseconds; None, where it takes no file.

    Args:
        files: the file system.
        names: a free place.
    """
    try:
        with files.open(names, "new") as handle:
            return handle.stat().mtime
    except OSError:
        return None
    finally:
        with suppress(OSError):
            files.unlink(names)


def measure(files: Files, names: Names, path: str, now: int | None) -> Measured:
    """Read a file of at most ``SMALL`` bytes. Blocks.

    What a program wrote lately is put on the disk, so that a loss of power cannot empty the file
    when everybody knows of it.

    Args:
        files: the file system.
        names: where it is.
        path: its path in the index.
        now: ``time_of``.
    """
    try:
        with files.open(names) as handle:
            first = handle.stat()
            hasher = ContentHasher()
            text = _read(handle, first.size, hasher)
            _settle(handle, first, now)
            last = handle.stat()
    except OSError as error:
        return _problem(path, error)
    if hasher.size != first.size or not last.is_as(first):
        return _moving(path)
    return Found(hasher.digest(), text, first, _is_young(first, now))


async def measure_large(tree: Tree, names: Names, path: str, now: int | None) -> Measured:
    """Read a file of any size, as ``measure`` does."""
    hasher = ContentHasher()
    files = tree.files
    try:
        first = await files.run(lambda: files.stat(names))
        if first is None:
            return _moving(path)
        async for part in tree.read_at(names, first):
            await files.run(lambda data=part: hasher.update(data))  # type: ignore[misc]

        def settle() -> Stat:
            with files.open(names) as handle:
                _settle(handle, first, now)
                return handle.stat()

        last = await files.run(settle)
    except Changed:
        return _moving(path)
    except OSError as error:
        return _problem(path, error)
    if not last.is_as(first):
        return _moving(path)
    return Found(hasher.digest(), False, first, _is_young(first, now))


async def copy_start(tree: Tree, path: str) -> tuple[StagedFile, Found] | None:
    """Copy the whole lines that a file has now, while a program goes on adding to it.

    Returns:
        The copy and what it is; None, where two reads do not agree, as when it is rewritten.

    Raises:
        OSError: it cannot be read, or there is no room for the copy.
        Hindered: the path cannot be reached.
    """
    names, _ = await tree.find(path)
    files, staged = tree.files, await tree.stage()
    found: Found | None = None
    try:
        with await files.run(lambda: files.open(names)) as handle:
            first = handle.stat()
            size = await files.run(lambda: _whole_lines(handle, first.size))
            hasher, again = ContentHasher(), ContentHasher()
            while hasher.size < size:
                part = await files.run(lambda: _part(handle, hasher.size, size))
                if not part:
                    break
                hasher.update(part)
                await staged.write(part)
            text = await files.run(lambda: _read(handle, size, again))
        if hasher.size == size and hasher.digest() == again.digest():
            found = Found(hasher.digest(), text, attrs.evolve(first, size=size), young=True)
    finally:
        if found is None:
            with anyio.CancelScope(shield=True):
                await tree.discard(staged)
    return None if found is None else (staged, found)


def _whole_lines(handle: Handle, size: int) -> int:
    """Return where the last line ends that is whole, or the size, where none is near."""
    at = max(0, size - BLOCK)
    newline = handle.read(at, size - at).rfind(b"\n")
    return size if newline < 0 else at + newline + 1


def _read(handle: Handle, size: int, hasher: ContentHasher) -> bool:
    """Read the bytes that a file had when it was looked at; say whether they are text."""
    parts: list[bytes] = []
    while part := _part(handle, hasher.size, size):
        hasher.update(part)
        if size <= TEXT_BYTES:
            parts.append(part)
    return size <= TEXT_BYTES and is_text(parts)


def _part(handle: Handle, offset: int, size: int) -> bytes:
    return handle.read(offset, min(BLOCK, size - offset)) if offset < size else b""


def _settle(handle: Handle, stat: Stat, now: int | None) -> None:
    if is_unsettled(stat, now):
        handle.sync()


def is_unsettled(stat: Stat, now: int | None) -> bool:
    """Say whether what a program did to a file or folder may not be on the disk yet."""
    return now is None or max(stat.mtime, stat.ctime) > now - _WRITTEN_BACK


def _is_young(stat: Stat, now: int | None) -> bool:
    return now is None or max(stat.mtime, stat.ctime) > now - TICK


def _moving(path: str) -> Problem:
    return Problem(path, "moving", "changes while it is read")


def _problem(path: str, error: OSError) -> Problem:
    if isinstance(error, NotRegular):
        return Problem(path, "special", "is no regular file any more")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _moving(path)
    return problem_of(path, error)
