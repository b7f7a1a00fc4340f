"""Patterns of names with ``*``, ``?``, ``[...]`` and ``**``, matched in a time that is bounded.

They come from callers and from files that others can write. Each name is matched by itself with
fnmatch, whose expressions never go back past a star; pathspec's do, and a pattern such as
``*a*a*a*a*a*b`` has them take minutes, in which the whole process stands still.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final, Self

import attrs

from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PATTERN", "Glob"]

PATTERN: Final = 1000
"""Characters that a pattern has at most."""


@attrs.frozen
class Glob:
    """A pattern of paths.

    Attributes:
        parts: what the names on a path have to be, one after the other; None stands for any
            number of names.
    """

    parts: tuple[re.Pattern[str] | None, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return a pattern. Without a slash within it, it stands for names in any folder.

        Raises: ToolError ``bad_pattern``.
        """
        if len(text) > PATTERN:
            raise ToolError(f"a pattern has at most {PATTERN} characters", "bad_pattern")
        names = [name for name in text.split("/") if name]
        if not names:
            raise ToolError("a pattern names something, such as *.py", "bad_pattern")
        if "/" not in text.rstrip("/"):
            names.insert(0, "**")
        if names[-1] == "**":
            names.append("*")
        return cls(tuple(None if name == "**" else _compiled(name) for name in names))

    def matches(self, names: Sequence[str]) -> bool:
        """Say whether a path, as names, is one of those that the pattern stands for."""
        at = self._and_beyond({0})
        for name in names:
            at = self._and_beyond({reached for here in at for reached in self._step(here, name)})
        return len(self.parts) in at

    def _step(self, here: int, name: str) -> Sequence[int]:
        if here == len(self.parts):
            return ()
        part = self.parts[here]
        if part is None:
            return (here,)
        return (here + 1,) if part.match(name) else ()

    def _and_beyond(self, at: set[int]) -> set[int]:
        """Return these positions, and those behind a ``**`` that stands for nothing."""
        for here in sorted(at):
            while here < len(self.parts) and self.parts[here] is None:
                here += 1
                at.add(here)
        return at


def _compiled(name: str) -> re.Pattern[str]:
    name = re.sub(r"\\(.)", _literal, name).replace("[^", "[!")
    return re.compile(fnmatch.translate(name))


def _literal(found: re.Match[str]) -> str:
    char = found[1]
    return f"[{char}]" if char in "*?[" else char
