"""When so much is deleted at once that a person is asked first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from clawmatrix_knowledge.index.store import Shelf

__all__ = ["ALWAYS", "MANY", "WINDOW", "Deletions", "Halt", "State", "StateStore", "TooMany"]

MANY: Final = 25
"""Deleted files that are many where they are over a third of all as well."""
ALWAYS: Final = 500
"""Deleted files that are many in any case."""
WINDOW: Final = 600.0
"""Seconds over which deletions are counted together."""

_FORMAT: Final = 1
_NAME: Final = "state"


class TooMany(Exception):
    """So many files are deleted that a person has to say whether that is meant.

    Attributes:
        paths: which.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"{len(paths)} files are deleted")
        self.paths = paths


class Halt(msgspec.Struct, frozen=True):
    """Why a workspace neither records nor changes anything until a person says so.

    Attributes:
        kind: ``here``, where so many files are gone on the disk; ``elsewhere``, where others
            deleted so many.
        files: how many.
        some: a few of them.
        since: seconds since 1970.
    """

    kind: Literal["here", "elsewhere"]
    files: int
    some: list[str]
    since: int


class State(msgspec.Struct, frozen=True):
    """What people said, and what they are asked; it lasts over restarts.

    Attributes:
        paused: whether a person paused the workspace.
        halt: what a person is asked.
        mounts: folders that are roots of other file systems.
        format: of the file.
    """

    paused: bool = False
    halt: Halt | None = None
    mounts: dict[str, int] = msgspec.field(default_factory=dict)
    format: int = _FORMAT


class StateStore:
    """Keeps it on the disk. Its functions block. They raise OSError.

    Args:
        shelf: where.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def read(self) -> State:
        """Return what was kept."""
        try:
            return msgspec.json.decode(self._shelf.read(_NAME), type=State)
        except msgspec.MsgspecError:
            return State()

    def write(self, state: State) -> None:
        """Keep it."""
        self._shelf.replace(_NAME, msgspec.json.encode(state))


class Deletions:
    """Counts deletions of one workspace, those that come from here and from elsewhere alike.

    Args:
        now: returns seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._past: deque[tuple[float, str]] = deque()
        self._most = 0

    def check(self, paths: Sequence[str], files: int, *, allowed: bool = False) -> None:
        """Note that files are to be deleted, as ``note`` does, unless they are too many.

        Raises: TooMany, unless a person allowed them.
        """
        if not allowed and self.are_too_many(paths, files):
            raise TooMany(paths)
        self.note(paths, files)

    def are_too_many(self, paths: Collection[str], files: int) -> bool:
        """Say whether deleting these files needs a person.

        Args:
            paths: files that would be deleted, or emptied, and do not live on under another path.
            files: how many files there are now.
        """
        self._forget()
        gone = {path for _, path in self._past} | set(paths)
        before = max(self._most, files)
        return len(gone) > ALWAYS or (len(gone) > MANY and 3 * len(gone) > before)

    def note(self, paths: Collection[str], files: int) -> None:
        """Note that files were deleted, of so many."""
        self._forget()
        self._most = max(self._most, files)
        self._past.extend((self._now(), path) for path in paths)

    @property
    def recent(self) -> Collection[str]:
        """The files that were deleted of late, before they became too many."""
        self._forget()
        return {path for _, path in self._past}

    def allow(self) -> None:
        """Begin to count anew, as a person has allowed what there is."""
        self._past.clear()
        self._most = 0

    def _forget(self) -> None:
        while self._past and self._past[0][0] < self._now() - WINDOW:
            self._past.popleft()
        if not self._past:
            self._most = 0
