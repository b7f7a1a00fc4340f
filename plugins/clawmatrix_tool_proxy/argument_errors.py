"""What a caller is told of arguments that do not fit. Values in, values out."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["misfit_words", "unknown_words"]

NAME: Final = 64
"""Characters of the name of an argument that are told; a caller may send any name."""
_PLACE = re.compile(r"(?P<words>.*) - at `\$(?P<place>.*)`", re.S)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.S)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.S)


def unknown_words(given: Iterable[str], known: Collection[str]) -> str | None:
    """Return what is wrong with the first argument that is not known, None where all are."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return None
    near = difflib.get_close_matches(unknown[:NAME], known, n=1)
    meant = f' (did you mean "{near[0]}"?)' if near else ""
    return f"{_named(unknown)} is unknown{meant}"


def misfit_words(message: str) -> str:
    """Return a message of msgspec's in plain words, with the argument at its beginning."""
    found = _PLACE.fullmatch(message)
    words, place = (found["words"], found["place"].lstrip(".")) if found else (message, "")
    before = f"{place}." if place else ""
    if missing := _MISSING.fullmatch(words):
        return f"{before}{missing[1]} is missing"
    if unknown := _UNKNOWN.fullmatch(words):
        return f"{before}{_named(unknown[1])} is unknown"
    return f"{place}: {words[:1].lower()}{words[1:]}" if place else words


def _named(name: str) -> str:
    short = name if len(name) <= NAME else f"{name[:NAME]}..."
    return f"`{short}`"
