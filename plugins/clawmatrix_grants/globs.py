"""Patterns over a whole text, which take a time that grows with the length of the text alone.

``*`` stands for any characters but ``/``, ``?`` for one of them, ``[abc]``, ``[a-z]`` and
``[!abc]`` for one of some. ``**`` stands for anything; between slashes, or at an end, for any
number of whole folders, also for none: ``code/**`` matches ``code`` too. In names, which are no
paths, ``*`` and ``**`` stand for anything alike.

A pattern becomes a regular expression over the folders of a text, each with a ``/`` before it. What
stands between two wildcards is taken where it comes first, and no other place is tried: if a match
there leads to none of the whole, no later one does. So nothing is compared again and again.
"""

from __future__ import annotations

import fnmatch
import re
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ANYTHING", "Glob", "is_plain", "literal"]

ANYTHING: Final = "**"
LENGTH: Final = 4096
"""Characters that a pattern may have."""
DOUBLE_STARS: Final = 3
"""Times that ``**`` may stand within the words of a pattern: each doubles what is compared."""

_MAGIC = re.compile(r"[*?[]")
_QUOTED = re.compile(r"\[([^]!])\]")
_TOKEN = re.compile(r"\*+|\?|\[!?+\]?+[^]]*+\]|\[|[^*?[]+")  # classes as fnmatch reads them
_TRANSLATED = re.compile(r"\(\?s:(.*)\)\\[Zz]", re.DOTALL)
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)|(?<!:)//")
_FOLDERS = "(?:/[^/]*+)*"


class Glob:
    """One pattern.

    Args:
        text: the pattern.
        paths: whether ``*`` keeps to one folder.

    Attributes:
        fixed: the one text that it matches, None where it has wildcards.
        prefix: what each text that it matches begins with.

    Raises: ValueError, for a pattern that means nothing, or is too long.
    """

    def __init__(self, text: str, *, paths: bool = True) -> None:
        if len(text) > LENGTH:
            raise ValueError(f"has {len(text)} characters, and {LENGTH} are the most")
        self.text = text
        self.paths = paths
        self.fixed = None if _MAGIC.search(_QUOTED.sub("", text)) else _QUOTED.sub(r"\1", text)
        magic = _MAGIC.search(text)
        self.prefix = text[: magic.start()] if magic else text
        if paths and self.prefix.endswith("/") and text[len(self.prefix) :].startswith(ANYTHING):
            self.prefix = self.prefix[:-1]  # code/** matches code as well
        _check(text, paths=paths)

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
        if not text.startswith(self.prefix):
            return False
        return self.expression.match(f"/{text}") is not None

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The pattern as an expression over a text with a ``/`` before it."""
        if not self.paths:
            return re.compile(f"/{_word(self.text, '.')}\\Z", re.DOTALL)
        readings = product(*map(_readings, self.text.split("/")))
        ways = [_folders([part for word in words for part in word]) for words in readings]
        return re.compile("|".join(ways), re.DOTALL)


def is_plain(path: str) -> bool:
    """Say whether a text has no ``.``, ``..`` or empty folder in it: none leads elsewhere."""
    return not (("." in path or "//" in path) and _DOTS.search(path))


def literal(text: str) -> str:
    """Return the pattern that matches this text and no other."""
    return _MAGIC.sub(lambda found: f"[{found[0]}]", text)


def _check(text: str, *, paths: bool) -> None:
    words = text.split("/") if paths else [text]
    if any("[" in _TOKEN.findall(word) for word in words if "[" in word):
        raise ValueError('has a "[" without its "]": "[[]" stands for the character itself')
    inside = sum(len(_stars(word)) for word in words if word != ANYTHING)
    if paths and inside > DOUBLE_STARS:
        raise ValueError(f'has "**" within words more than {DOUBLE_STARS} times')


def _stars(word: str) -> list[str]:
    return [token for token in _TOKEN.findall(word) if token.startswith(ANYTHING)]


def _readings(word: str) -> Sequence[tuple[str, ...]]:
    """Return what a folder of a pattern may be read as: ``a**b`` as ``a*b`` and ``a*/**/*b``."""
    if word == ANYTHING or not _stars(word):
        return [(word,)]
    pieces = [""]
    for token in _TOKEN.findall(word):
        if token.startswith(ANYTHING):
            pieces.append("")
        else:
            pieces[-1] += token
    readings: list[tuple[str, ...]] = []
    for joins in product((False, True), repeat=len(pieces) - 1):
        folders = [pieces[0]]
        for across, piece in zip(joins, pieces[1:], strict=True):
            folders[-1] += "*" if across else f"*{piece}"
            folders += [ANYTHING, f"*{piece}"] if across else []
        readings.append(tuple(folders))
    return readings


def _folders(parts: Sequence[str]) -> str:
    """Return the expression for folders, of which ``**`` stands for any number."""
    first, *rest = _blocks(parts)
    if not rest:
        return f"{first}\\Z"
    *between, last = rest
    found = [f"(?>{_FOLDERS}?{block}(?=/|\\Z))" for block in between if block]
    return "".join(
        [first, "(?=/|\\Z)", *found, _FOLDERS if last else "", last, "\\Z" if last else ""]
    )


def _blocks(parts: Sequence[str]) -> Iterator[str]:
    """Yield the expressions of what stands between ``**``."""
    block = ""
    for part in parts:
        if part == ANYTHING:
            yield block
            block = ""
        else:
            block += "/" + _word(part, "[^/]")
    yield block


def _word(text: str, any_one: str) -> str:
    """Return the expression of a text, ``any_one`` being the one of a character."""
    pieces = [""]
    for token in _TOKEN.findall(text):
        if token[0] == "*":
            pieces.append("")
        elif token == "?":
            pieces[-1] += any_one
        elif token[0] == "[":
            pieces[-1] += _class(token, any_one)
        else:
            pieces[-1] += re.escape(token)
    first, *rest = pieces
    if not rest:
        return first
    *between, last = rest
    return first + "".join(f"(?>{any_one}*?{piece})" for piece in between) + f"{any_one}*{last}"


def _class(token: str, any_one: str) -> str:
    translated = _TRANSLATED.fullmatch(fnmatch.translate(token))
    assert translated is not None, token
    return f"(?={any_one}){translated[1]}"
