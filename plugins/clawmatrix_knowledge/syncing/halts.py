"""When so much is deleted at once that a person is asked first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["ALWAYS", "MANY", "WINDOW", "Deletions"]

MANY: Final = 25
"""Deleted files that are many where they are over a third of all as well."""
ALWAYS: Final = 500
"""Deleted files that are many in any case."""
WINDOW: Final = 600.0
"""Seconds over which deletions are counted together."""


class Deletions:
    """Counts deletions of one workspace, those that come from here and from elsewhere alike.

    Args:
        now: returns seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._past: deque[tuple[float, str]] = deque()
        self._most = 0

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

    def allow(self) -> None:
        """Begin to count anew, as a person has allowed what there is."""
        self._past.clear()
        self._most = 0

    def _forget(self) -> None:
        while self._past and self._past[0][0] < self._now() - WINDOW:
            self._past.popleft()
        if not self._past:
            self._most = 0
