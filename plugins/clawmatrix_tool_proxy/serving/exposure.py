"""Which tools a node exposes at all: the first of two gates. Values in, values out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Exposure"]


class Exposure:
    """What ``[tool-proxy] allow`` and ``deny`` say; a deny wins, and an empty allow is nothing."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow, self._deny = _pattern(allow), _pattern(deny)

    def exposes(self, name: str) -> bool:
        """Say whether a tool of this name is exposed."""
        return self.why_not(name) is None

    def why_not(self, name: str) -> str | None:
        """Return the setting that keeps a tool from being exposed, None where it is exposed."""
        if self._allow.fullmatch(name) is None:
            return "[tool-proxy] allow"
        return None if self._deny.fullmatch(name) is None else "[tool-proxy] deny"


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    """Return what matches any of the patterns; ``*`` stands for any text, ``?`` for one letter."""
    alternatives = []
    for glob in globs:
        # Stars beside each other are one: the engine would try all ways to share a text among them.
        parts = re.split(r"(\*+|\?)", glob)
        alternatives.append("".join(_part(part) for part in parts))
    return re.compile("|".join(alternatives) if alternatives else r"(?!)", re.S)


def _part(part: str) -> str:
    if part.startswith("*"):
        return ".*"
    return "." if part == "?" else re.escape(part)
