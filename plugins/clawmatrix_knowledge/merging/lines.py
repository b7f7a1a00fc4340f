"""Two edits of one text become one, where its class allows.

Texts are bytes, and lines end with a newline; whether the last one has it is merged apart. Nothing
here looks at the clock or at who wrote a side: swapping the sides gives the same text.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.merging.matching import Edit, edits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_knowledge.versions import MergeClass

__all__ = ["agree", "merge_texts"]

_NEWLINE: Final = b"\n"


def merge_texts(base: bytes, one: bytes, other: bytes, how: MergeClass) -> bytes | None:
    """Return one text of two, or None where a person has to look at both.

    Args:
        base: the text that both were made of.
        one: the text on one side.
        other: the text on the other; which is which makes no difference.
        how: ``union`` always gives a text: all lines that either side put in stay, each side's
            insertions whole and in order, and a line goes where either side took it away.
            ``lines`` keeps insertions at one place of both, and gives None for edits that
            overlap. ``strict`` gives None also where edits touch. ``binary`` merges nothing but
            what only one side changed.
    """
    if one == other or other == base:
        return one
    if one == base:
        return other
    if how == "binary":
        return None
    first, second = sorted((one, other))
    texts = _Texts(base, first, second)
    if how == "union":
        return texts.joined(_union(texts.base, texts.edits_of(0), texts.edits_of(1)))
    return texts.merged(strict=how == "strict")


def agree(one: bytes, other: bytes) -> bytes:
    """Return the lines that two texts share, in order: what both can be said to be made of."""
    base = _split(one)
    gone = {at for edit in edits(base, _split(other)) for at in range(edit.start, edit.end)}
    kept = [line for at, line in enumerate(base) if at not in gone]
    return _join(kept, newline=one.endswith(_NEWLINE) and other.endswith(_NEWLINE))


class _Texts:
    """A base and its two sides, as lines without their ends."""

    def __init__(self, base: bytes, first: bytes, second: bytes) -> None:
        self.base = _split(base)
        self._sides = _split(first), _split(second)
        ended = base.endswith(_NEWLINE) or not base
        sides = (side.endswith(_NEWLINE) if side else ended for side in (first, second))
        self._newline = _three_way(ended, *sides)

    def edits_of(self, side: int) -> list[Edit]:
        return edits(self.base, self._sides[side])

    def _ways_of(self, side: int) -> list[list[Edit]]:
        """Return the ways to read what a side did, the likeliest first."""
        ways = product((True, False), (True, False))
        found = [edits(self.base, self._sides[side], anchored=a, late=b) for a, b in ways]
        return [way for at, way in enumerate(found) if way not in found[:at]]

    def joined(self, lines: Sequence[bytes]) -> bytes:
        return _join(lines, newline=self._newline)

    def merged(self, *, strict: bool) -> bytes | None:
        """Return the one text that comes out, however the edits of repeated lines are read."""
        apart = _Apart(self.base, strict=strict)
        found = [apart.merged(*ways) for ways in product(self._ways_of(0), self._ways_of(1))]
        lines = found[0]
        if lines is None or any(way not in (None, lines) for way in found):
            return None
        return self.joined(lines)


class _Apart:
    """Merges edits that are apart.

    Args:
        base: the lines of the base.
        strict: whether edits that touch count as overlapping.
    """

    def __init__(self, base: Sequence[bytes], *, strict: bool) -> None:
        self._base, self._strict = base, strict

    def merged(self, first: Sequence[Edit], second: Sequence[Edit]) -> list[bytes] | None:
        """Return the merged lines, None where edits are not apart."""
        lines: list[bytes] = []
        at = 0
        one, other = list(first[::-1]), list(second[::-1])
        while one or other:
            taken = self._next(one, other)
            if taken is None:
                return None
            for edit in taken:
                lines += self._base[at : edit.start]
                lines += edit.lines
                at = edit.end
        return [*lines, *self._base[at:]]

    def _next(self, one: list[Edit], other: list[Edit]) -> Sequence[Edit] | None:
        """Take the next edits off; None where one of each side cannot both be made."""
        if not one or not other:
            return [(one or other).pop()]
        if one[-1] == other[-1]:
            other.pop()
            return [one.pop()]
        if self._are_apart(one[-1], other[-1]):
            early = one if _place(one[-1]) < _place(other[-1]) else other
            return [early.pop()]
        if not self._strict and one[-1].start == one[-1].end == other[-1].start == other[-1].end:
            return [one.pop(), other.pop()]
        return None

    def _are_apart(self, one: Edit, other: Edit) -> bool:
        early, late = sorted((one, other), key=_place)
        if self._strict:
            return early.end < late.start
        if early.start == early.end == late.start:  # lines put in before those that were changed
            return late.end > late.start
        return early.end <= late.start


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def _union(base: Sequence[bytes], first: Sequence[Edit], second: Sequence[Edit]) -> list[bytes]:
    """Return all that either side put in, and the lines that neither took away."""
    puts: dict[int, list[tuple[bytes, ...]]] = {}
    gone: set[int] = set()
    for edit in (*first, *second):
        gone.update(range(edit.start, edit.end))
        there = puts.setdefault(edit.start, [])
        if edit.lines and edit.lines not in there:
            there.append(edit.lines)
    return list(_laid_out(base, puts, gone))


def _laid_out(
    base: Sequence[bytes], puts: dict[int, list[tuple[bytes, ...]]], gone: set[int]
) -> Iterator[bytes]:
    for at in range(len(base) + 1):
        for lines in puts.get(at, ()):
            yield from lines
        if at < len(base) and at not in gone:
            yield base[at]


def _split(text: bytes) -> list[bytes]:
    lines = text.split(_NEWLINE)
    if not lines[-1]:
        lines.pop()
    return lines


def _join(lines: Sequence[bytes], *, newline: bool) -> bytes:
    text = _NEWLINE.join(lines)
    return text + _NEWLINE if lines and newline else text


def _three_way(base: bool, one: bool, other: bool) -> bool:
    return one if one == other or other == base else other
