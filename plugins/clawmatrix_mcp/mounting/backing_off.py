"""How long a server that ended is left alone. Pure; the time is passed in."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["BackOff"]

_FIRST: Final = 0.25
_MOST: Final = 60.0
_GOOD: Final = 30.0
"""Seconds after which a server counts as one that works."""


@attrs.define
class BackOff:
    """The pauses before a server starts again: each twice the one before, up to a minute."""

    _next: float = _FIRST

    def after(self, worked: float) -> float:
        """Return the seconds to wait, after it worked for so many."""
        if worked >= _GOOD:
            self._next = _FIRST
        pause, self._next = self._next, min(2 * self._next, _MOST)
        return pause
