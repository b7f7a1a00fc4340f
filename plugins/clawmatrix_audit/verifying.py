"""Whether the lines of an audit are all there, as they were written. Values in, findings out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from clawmatrix_audit.folder import CURRENT
from clawmatrix_audit.line import GENESIS, LINE, Entry, is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_audit.head import Head
    from clawmatrix_audit.reading import Piece

__all__ = ["Broken", "Report", "Witness", "verify"]

_MOST: Final = 100
"""Findings that are told of; a file of another program has as many as it has lines."""


@attrs.frozen
class Witness:
    """A head that somebody holds of the audit.

    ``by`` is who, for people: the name of a node.
    """

    by: str
    head: Head


@attrs.frozen
class Broken:
    """Something that is not as the node wrote it.

    Attributes:
        kind: what was done: a line was edited (``edit``), lines are missing (``gap``) or stand
            elsewhere (``order``), a file was dropped without a line that says so (``dropped``),
            the end was cut off (``tail``), or a head fits another history (``rewritten``).
        words: what was found, and where.
    """

    kind: Literal["edit", "gap", "order", "dropped", "tail", "rewritten"]
    words: str


@attrs.define
class Report:
    """What ``verify`` found.

    Attributes:
        first, last: the numbers of the first and the last line, 0 where there is none.
        broken: what is not as it was written.
        notes: what is worth a look and proves nothing.
    """

    first: int = 0
    last: int = 0
    broken: list[Broken] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def add(self, broken: Broken) -> None:
        """Take in a finding, unless there are too many to read."""
        if len(self.broken) < _MOST:
            self.broken.append(broken)


def verify(
    pieces: Iterable[Piece], *, key: bytes | None, chain: str | None, witnesses: Iterable[Witness]
) -> Report:
    """Read a whole audit, and say what is wrong with it.

    Args:
        pieces: all of its lines.
        key: the key that seals lines; None leaves the seals unread.
        chain: the word for the chain; None where it is not known.
        witnesses: heads of it that others hold.
    """
    held = list(witnesses)
    reader = _Reader(key, {witness.head.n for witness in held})
    for piece in pieces:
        reader.take(piece)
    reader.end()
    for witness in held:
        reader.compare(witness, chain)
    return reader.report


class _Reader:
    def __init__(self, key: bytes | None, wanted: set[int]) -> None:
        self.report = Report()
        self._key, self._wanted = key, wanted
        self._digests: dict[int, set[str]] = {}
        self._last: Entry | None = None
        self._first: Entry | None = None
        self._edited_last = False
        self._unreadable = 0
        self._missing: list[tuple[int, int, str]] = []
        self._late: set[int] = set()
        self._dropped: list[Entry] = []

    def take(self, piece: Piece) -> None:
        if not piece.whole and piece.file == CURRENT and len(piece.raw) <= LINE:
            bytes_ = len(piece.raw)
            self.report.notes.append(
                f"{piece.place}: {bytes_} bytes without an end: a line that is being written, or"
                " that a crash tore; the next start mends that"
            )
            return
        try:
            entry = piece.entry()
        except ValueError as error:
            self._unreadable += 1
            self.report.add(Broken("edit", f"{piece.place}: {error}: it was edited, or put there"))
            return
        edited = self._key is not None and not is_sealed(piece.raw, self._key)
        if edited:
            words = f"{piece.place}: line {entry.n} has a wrong seal: it was edited, or put there"
            self.report.add(Broken("edit", words))
        self._follow(entry, piece.place, edited)
        self._note(entry)
        self._last, self._edited_last, self._unreadable = entry, edited, 0

    def _note(self, entry: Entry) -> None:
        if self._first is None or entry.n < self._first.n:
            self._first = entry
        self.report.last = max(self.report.last, entry.n)
        if entry.n in self._wanted:
            self._digests.setdefault(entry.n, set()).add(entry.digest)
        if entry.event == "dropped":
            self._dropped.append(entry)

    def _follow(self, entry: Entry, place: str, edited: bool) -> None:
        last, highest = self._last, self.report.last
        if entry.n <= highest:
            self._late.add(entry.n)
        elif entry.n - highest - 1 > (self._unreadable if last is not None else entry.n):
            self._missing.append((highest + 1, entry.n - 1, place))
        if last is None:
            if entry.n == 1 and entry.prev != GENESIS and not edited:
                self.report.add(Broken("edit", f"{place}: line 1 says that a line was before it"))
        elif entry.n == last.n + 1:
            if entry.prev != last.digest and not (edited or self._edited_last):
                words = f"{place}: line {entry.n} does not fit line {last.n}: one was edited"
                self.report.add(Broken("edit", words))
        elif entry.n <= highest:
            words = f"{place}: line {entry.n} stands behind line {last.n}"
            self.report.add(Broken("order", words))

    def end(self) -> None:
        for first, last, place in self._missing:
            span = range(first, last + 1)
            if len(span) > len(self._late) or not self._late.issuperset(span):
                self.report.add(Broken("gap", f"{place}: {_lines(first, last)} before it"))
        if self._first is None:
            return
        self.report.first = first = self._first.n
        told = {entry.fields.get("last"): entry.fields.get("hash") for entry in self._dropped}
        if first > 1 and told.get(first - 1) != self._first.prev:
            words = f"{_lines(1, first - 1)}, and no line says that they were dropped"
            self.report.add(Broken("dropped", words))
        for entry in self._dropped:
            fields = entry.fields
            self.report.notes.append(
                f"lines {fields.get('first')} to {fields.get('last')}, the last one of"
                f" {fields.get('until')}, were dropped on {fields.get('at')} for their age"
            )

    def compare(self, witness: Witness, chain: str | None) -> None:
        head, by = witness.head, witness.by
        if chain is not None and head.chain != chain:
            words = f"{by} holds a head of another audit of this node, with {head.n} lines"
            self.report.add(Broken("rewritten", words))
        elif head.n > self.report.last:
            words = (
                f"{by} holds a head of line {head.n}, of {head.at}, and the audit ends with line"
                f" {self.report.last}: its end was cut off"
            )
            self.report.add(Broken("tail", words))
        elif self._digests.get(head.n, {head.digest}) != {head.digest}:
            words = (
                f"line {head.n} is not the one of which {by} holds a head, of {head.at}: it, or one"
                " before it, was written anew"
            )
            self.report.add(Broken("rewritten", words))


def _lines(first: int, last: int) -> str:
    return f"line {first} is missing" if first == last else f"lines {first} to {last} are missing"
