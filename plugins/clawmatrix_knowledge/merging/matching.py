"""Which lines of two texts are the same line: a diff in a bounded number of steps.

Lines that stand once in both texts are the anchors; between them small gaps are matched by their
longest common subsequence. A gap that is too large for that counts as replaced. The result depends
on the texts alone, never on time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Edit", "edits"]

_CELLS: Final = 300_000
"""Pairs of lines that are compared in the gaps of two texts, all together."""


class Edit(NamedTuple):
    """Lines of the base and what they became.

    Attributes:
        start: the first line of the base that is replaced.
        end: the line behind the last one; equal to ``start`` where lines were put in.
        lines: what stands there now.
    """

    start: int
    end: int
    lines: tuple[bytes, ...]


def edits(
    base: Sequence[bytes], side: Sequence[bytes], *, late: bool = True, anchored: bool = True
) -> list[Edit]:
    """Return what was done to a text, in order; the edits neither overlap nor touch.

    Args:
        base: the text before.
        side: the text after.
        late: where lines that were put in or taken away repeat those around them, so that the
            edit can be read in several places, put it in the last one; else in the first.
        anchored: whether lines that stand once on either side are matched first.
    """
    if late:
        found = _edits(base, side, anchored)
        return [
            _late(base, edit, after)
            for edit, after in zip(found, _starts(found, base), strict=True)
        ]
    return _mirrored(edits(base[::-1], side[::-1], late=True, anchored=anchored), len(base))


def _starts(found: Sequence[Edit], base: Sequence[bytes]) -> list[int]:
    """Return, for each edit, the line that it must not reach."""
    return [*(edit.start - 1 for edit in found[1:]), len(base)][: len(found)]


def _late(base: Sequence[bytes], edit: Edit, before: int) -> Edit:
    """Return an edit of lines put in or taken away, as far down as it can be read."""
    start, end, lines = edit
    if start == end:
        while end < before and base[end] == lines[0]:
            start, end, lines = start + 1, end + 1, (*lines[1:], lines[0])
    elif not lines:
        while end < before and base[end] == base[start]:
            start, end = start + 1, end + 1
    return Edit(start, end, lines)


def _edits(base: Sequence[bytes], side: Sequence[bytes], anchored: bool) -> list[Edit]:
    found: list[Edit] = []
    at_base = at_side = 0
    for of_base, of_side in [*_matches(base, side, anchored), (len(base), len(side))]:
        if of_base > at_base or of_side > at_side:
            found.append(Edit(at_base, of_base, tuple(side[at_side:of_side])))
        at_base, at_side = of_base + 1, of_side + 1
    return found


def _mirrored(found: Sequence[Edit], size: int) -> list[Edit]:
    return [Edit(size - e.end, size - e.start, e.lines[::-1]) for e in reversed(found)]


def _matches(base: Sequence[bytes], side: Sequence[bytes], anchored: bool) -> list[tuple[int, int]]:
    """Return the pairs of lines that are the same, in order."""
    pairs: list[tuple[int, int]] = []
    room = _CELLS
    gaps = [(0, len(base), 0, len(side))]
    while gaps:
        low, high, side_low, side_high = gaps.pop()
        while low < high and side_low < side_high and base[low] == side[side_low]:
            pairs.append((low, side_low))
            low, side_low = low + 1, side_low + 1
        while low < high and side_low < side_high and base[high - 1] == side[side_high - 1]:
            high, side_high = high - 1, side_high - 1
            pairs.append((high, side_high))
        if low == high or side_low == side_high:
            continue
        cells = (high - low) * (side_high - side_low)
        anchors = _anchors(base, side, (low, high, side_low, side_high))
        if anchors and (anchored or cells > room):
            gaps += _between(anchors, (low, high, side_low, side_high))
            pairs += anchors
            continue
        if cells <= room:
            room -= cells
            pairs += _common(base, side, (low, high, side_low, side_high))
    return sorted(pairs)


_Gap = tuple[int, int, int, int]


def _between(anchors: Sequence[tuple[int, int]], gap: _Gap) -> Iterator[_Gap]:
    """Yield the gaps between anchors, the last one first: it is popped last."""
    low, high, side_low, side_high = gap
    ends = [*anchors, (high, side_high)]
    starts = [(low, side_low), *((here + 1, there + 1) for here, there in anchors)]
    for (here, there), (end, side_end) in reversed(list(zip(starts, ends, strict=True))):
        if here < end and there < side_end:
            yield here, end, there, side_end


def _anchors(base: Sequence[bytes], side: Sequence[bytes], gap: _Gap) -> list[tuple[int, int]]:
    """Return the longest run of pairs, in order, of lines that stand once on either side."""
    low, high, side_low, side_high = gap
    of_base, of_side = _once(base, low, high), _once(side, side_low, side_high)
    pairs = [(at, of_side[line]) for line, at in of_base.items() if line in of_side]
    return _rising(sorted(pairs))


def _once(lines: Sequence[bytes], low: int, high: int) -> dict[bytes, int]:
    seen: dict[bytes, int] = {}
    for at in range(low, high):
        seen[lines[at]] = -1 if lines[at] in seen else at
    return {line: at for line, at in seen.items() if at >= 0}


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence whose second numbers rise."""
    tops: list[int] = []
    top_pairs: list[int] = []
    before: list[int] = []
    for number, (_, there) in enumerate(pairs):
        place = bisect_left(tops, there)
        before.append(top_pairs[place - 1] if place else -1)
        if place == len(tops):
            tops.append(there)
            top_pairs.append(number)
        else:
            tops[place], top_pairs[place] = there, number
    found: list[tuple[int, int]] = []
    at = top_pairs[-1] if top_pairs else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]


def _common(base: Sequence[bytes], side: Sequence[bytes], gap: _Gap) -> list[tuple[int, int]]:
    """Return the longest common subsequence, of several the one that matches early lines."""
    low, high, side_low, side_high = gap
    wide = side_high - side_low
    rows = [[0] * (wide + 1)]
    for at in range(high - 1, low - 1, -1):
        below, line = rows[-1], base[at]
        row = [0] * (wide + 1)
        for there in range(wide - 1, -1, -1):
            if side[side_low + there] == line:
                row[there] = below[there + 1] + 1
            else:
                right, under = row[there + 1], below[there]
                row[there] = right if right > under else under
        rows.append(row)
    rows.reverse()
    found: list[tuple[int, int]] = []
    at, there = 0, 0
    while at < high - low and there < wide:
        if base[low + at] == side[side_low + there]:
            found.append((low + at, side_low + there))
            at, there = at + 1, there + 1
        elif rows[at + 1][there] >= rows[at][there + 1]:
            at += 1
        else:
            there += 1
    return found
