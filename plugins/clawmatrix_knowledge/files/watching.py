"""Noticing at once that something in a workspace changed. What it misses, a scan finds."""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import attrs
import watchfiles

from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

    from clawmatrix_knowledge.files.port import Names

__all__ = ["Noticed", "Watcher"]

_LONGEST: Final = 100
_QUIET: Final = 10
_LOOK: Final = 250
_AGAIN: Final = (0.3, 1.0, 3.0)
"""Seconds after which a new folder is looked at again: what came into it before it was watched
was never told."""
_FDINFO: Final = Path("/proc/self/fdinfo")


@attrs.frozen
class Noticed:
    """Something changed.

    Attributes:
        places: what to scan, with all below each; names as on the disk.
        unwatched: folders in which changes are not noticed, as the system watches no more.
    """

    places: frozenset[Names] = frozenset()
    unwatched: frozenset[Names] = frozenset()


class Watcher:
    """Watches a folder of this machine and all below it, but for ``.clawmatrix``.

    Args:
        root: the folder.
        clock: returns seconds.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._real = Path(os.path.realpath(root))
        self._clock = clock
        self._stop = anyio.Event()
        self._again: list[tuple[float, Names]] = []
        self._unchecked: dict[Names, float] = {(): clock()}

    def stop(self) -> None:
        """End ``notices``, soon."""
        self._stop.set()

    async def notices(self) -> AsyncGenerator[Noticed, None]:
        """Yield what changes. It ends when the root goes or another folder is in its place.

        What the system has no room to watch it says in ``unwatched``; of the root it is ``()``.

        Raises: OSError, where the root is not there.
        """
        inode = _inode(self._real)
        changes = watchfiles.awatch(
            self._real,
            watch_filter=None,
            debounce=_LONGEST,
            step=_QUIET,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            stop_event=self._stop,
            ignore_permission_denied=True,
        )
        async with aclosing(changes):
            async for some in changes:
                if inode is None or _inode(self._root) != inode:
                    return
                noticed = await anyio.to_thread.run_sync(self._notice, some)
                if noticed.places or noticed.unwatched:
                    yield noticed

    def _notice(self, changes: Iterable[tuple[watchfiles.Change, str]]) -> Noticed:
        now = self._clock()
        places: set[Names] = set()
        for change, text in changes:
            names = Path(text).relative_to(self._real).parts
            if OWN_FOLDER in names:
                continue
            places.add(names)
            if change == watchfiles.Change.added and _is_folder(text):
                self._again += [(now + after, names) for after in _AGAIN]
                self._unchecked[names] = now + _AGAIN[0]
        places.update(names for at, names in self._again if at <= now)
        self._again = [(at, names) for at, names in self._again if at > now]
        return Noticed(frozenset(places), self._unwatched(now))

    def _unwatched(self, now: float) -> frozenset[Names]:
        """Return folders that should be watched by now, and are not."""
        due = [names for names, at in self._unchecked.items() if at <= now]
        if not due:
            return frozenset()
        for names in due:
            del self._unchecked[names]
        watched = _watched()
        if watched is None:
            return frozenset()
        return frozenset(
            names for place in due for names, inode in self._folders(place) if inode not in watched
        )

    def _folders(self, place: Names) -> Iterator[tuple[Names, int]]:
        """Return a folder and all below it, with their inodes."""
        top = self._real.joinpath(*place)
        for above, folders, _, descriptor in os.fwalk(top, onerror=None):
            if OWN_FOLDER in folders:
                folders.remove(OWN_FOLDER)
            yield Path(above).relative_to(self._real).parts, os.fstat(descriptor).st_ino


def _watched() -> frozenset[int] | None:
    """Return the inodes that this process watches; None, where the system does not say."""
    found: set[int] = set()
    try:
        for name in os.listdir(_FDINFO):
            try:
                lines = (_FDINFO / name).read_text().splitlines()
            except FileNotFoundError:
                continue
            words = [line.split() for line in lines if line.startswith("inotify ")]
            found.update(int(line[2].removeprefix("ino:"), 16) for line in words)
    except OSError:
        return None
    return frozenset(found)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
