"""Patterns over a whole text, which take a time that grows with the length of the text alone.

``*`` stands for any characters but ``/``, ``?`` for one of them, ``[abc]``, ``[a-z]`` and
``[!abc]`` for one of some. ``**`` stands for anything; between slashes, or at an end, for any
number of whole folders, also for none: ``code/**`` matches ``code`` too. In names, which are no
paths, ``*`` and ``**`` stand for anything alike.

A text is compared folder by folder. Within one, ``fnmatch`` makes a regular expression that takes
each piece of fixed text where it comes first, and never tries another place. The same is right
for whole folders between two ``**``.
"""

from __future__ import annotations

import fnmatch
import re
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ANYTHING", "Glob", "is_plain", "literal"]

ANYTHING: Final = "**"
LENGTH: Final = 4096
"""Characters that a pattern may have."""
DOUBLE_STARS: Final = 3
"""Times that ``**`` may stand within a word of a pattern: each doubles what is compared."""

_MAGIC = re.compile(r"[*?[]")
_BRACKETS = re.compile(r"\[!?+\]?+[^]]*+\]")  # as fnmatch reads them
_QUOTED = re.compile(r"\[([^]!])\]")
_STARS = re.compile(r"\*{2,}")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)|(?<!:)//")

Part = str | re.Pattern[str]


class Glob:
    """One pattern.

    Args:
        text: the pattern.
        paths: whether ``*`` keeps to one folder.

    Attributes:
        fixed: the one text that it matches, None where it has wildcards.

    Raises: ValueError, for a pattern that means nothing, or takes too long.
    """

    __slots__ = ("_alternatives", "_prefix", "fixed", "paths", "text")

    def __init__(self, text: str, *, paths: bool = True) -> None:
        if len(text) > LENGTH:
            raise ValueError(f"has {len(text)} characters, and {LENGTH} are the most")
        self.text = text
        self.paths = paths
        self.fixed = _fixed(text)
        magic = _MAGIC.search(text)
        self._prefix = text[: magic.start()] if magic else text
        self._alternatives = () if self.fixed is not None else tuple(_compiled(text, paths))
        if "/**" in text and self._prefix.endswith("/"):
            self._prefix = self._prefix[:-1]  # code/** matches code as well

    def __repr__(self) -> str:
        return f"<Glob {self.text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Glob):
            return NotImplemented
        return (self.text, self.paths) == (other.text, other.paths)

    def __hash__(self) -> int:
        return hash((self.text, self.paths))

    def matches(self, text: str) -> bool:
        """Say whether a whole text matches."""
        if self.fixed is not None:
            return text == self.fixed
        if not text.startswith(self._prefix):
            return False
        parts = text.split("/") if self.paths else [text]
        return any(_matches(blocks, parts) for blocks in self._alternatives)


def is_plain(path: str) -> bool:
    """Say whether a text has no ``.``, ``..`` or empty folder in it: none leads elsewhere."""
    return not (("." in path or "//" in path) and _DOTS.search(path))


def literal(text: str) -> str:
    """Return the pattern that matches this text and no other."""
    return _MAGIC.sub(lambda found: f"[{found[0]}]", text)


def _fixed(text: str) -> str | None:
    """Return the text that a pattern stands for, None where it has wildcards."""
    if _MAGIC.search(_QUOTED.sub("", text)):
        return None
    return _QUOTED.sub(r"\1", text)


def _compiled(text: str, paths: bool) -> Iterator[tuple[tuple[Part, ...], ...]]:
    """Yield the pattern as blocks of folders between ``**``, once for each way to read it."""
    if not paths:
        yield ((_part(text),),)
        return
    for words in product(*map(_readings, text.split("/"))):
        parts = [part for word in words for part in word]
        yield tuple(_blocks(parts))


def _readings(word: str) -> Sequence[tuple[str, ...]]:
    """Return what a folder of a pattern may be read as: ``a**b`` as ``a*b`` and ``a*/**/*b``."""
    if word == ANYTHING or ANYTHING not in word:
        return [(word,)]
    pieces = _STARS.split(word)
    if len(pieces) > DOUBLE_STARS + 1:
        raise ValueError(f'has "**" more than {DOUBLE_STARS} times in one word')
    readings: list[tuple[str, ...]] = []
    for joins in product((False, True), repeat=len(pieces) - 1):
        folders = [pieces[0]]
        for across, piece in zip(joins, pieces[1:], strict=True):
            if across:
                folders[-1] += "*"
                folders += [ANYTHING, f"*{piece}"]
            else:
                folders[-1] += f"*{piece}"
        readings.append(tuple(folders))
    return readings


def _blocks(parts: Sequence[str]) -> Iterator[tuple[Part, ...]]:
    block: list[Part] = []
    for part in parts:
        if part == ANYTHING:
            yield tuple(block)
            block = []
        else:
            block.append(_part(part))
    yield tuple(block)


def _part(text: str) -> Part:
    if (fixed := _fixed(text)) is not None:
        return fixed
    if "[" in _BRACKETS.sub("", text):
        raise ValueError('has a "[" without its "]": "[[]" stands for the character itself')
    return re.compile(fnmatch.translate(text))


def _matches(blocks: Sequence[Sequence[Part]], parts: Sequence[str]) -> bool:
    first, *rest = blocks
    if not rest:
        return len(parts) == len(first) and _fits(first, parts, 0)
    last = rest.pop()
    end = len(parts) - len(last)
    if end < len(first) or not (_fits(first, parts, 0) and _fits(last, parts, end)):
        return False
    at = len(first)
    for block in rest:
        while at + len(block) <= end and not _fits(block, parts, at):
            at += 1
        at += len(block)
        if at > end:
            return False
    return True


def _fits(block: Sequence[Part], parts: Sequence[str], at: int) -> bool:
    return all(_same(one, parts[place]) for place, one in enumerate(block, at))


def _same(one: Part, text: str) -> bool:
    return one == text if isinstance(one, str) else one.match(text) is not None
