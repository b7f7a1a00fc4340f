"""How a file merges, which is decided when a version of it is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clawmatrix_knowledge.versions import MergeClass

__all__ = ["TEXT_BYTES", "UNION", "MergeClasses", "is_text", "stricter"]

TEXT_BYTES: Final = 4 * 1024**2
"""Bytes of the largest text that is merged; what is larger counts as binary."""
UNION: Final = ("MEMORY.md", "memory/**", "*.log", "*.jsonl")
"""Notes that agents append to."""
_LINES: Final = ("*.md", "*.markdown", "*.txt", "*.rst", "*.org", "*.adoc", "*.tex")
_ORDER: Final[Sequence[MergeClass]] = ("union", "lines", "strict", "binary")


@attrs.frozen
class MergeClasses:
    """Says how files of a workspace merge.

    Args:
        union: patterns of files that also merge as unions, as in a ``.gitignore``.
        lines: patterns of files that merge line by line.
        strict: patterns of files whose edits may not even touch; these count first, then
            ``lines``, then ``union``.
    """

    union: Sequence[str] = ()
    lines: Sequence[str] = ()
    strict: Sequence[str] = ()
    _specs: Sequence[tuple[MergeClass, GitIgnoreSpec]] = attrs.field(init=False, repr=False)

    @_specs.default
    def _make_specs(self) -> Sequence[tuple[MergeClass, GitIgnoreSpec]]:
        return (
            ("strict", _spec(self.strict)),
            ("lines", _spec(self.lines)),
            ("union", _spec((*UNION, *self.union))),
            ("lines", _spec(_LINES)),
        )

    def of(self, path: str, *, text: bool) -> MergeClass:
        """Return the class of a file, given whether it is text of at most ``TEXT_BYTES``."""
        if not text:
            return "binary"
        return next((name for name, spec in self._specs if spec.match_file(path)), "strict")


def is_text(parts: Iterable[bytes]) -> bool:
    """Say whether bytes, in order, are text that can be merged: UTF-8 without NUL, and not large.

    It stops asking for parts once it knows.
    """
    size, rest = 0, b""
    for part in parts:
        size += len(part)
        if size > TEXT_BYTES or b"\0" in part:
            return False
        rest = _undecoded(rest + part)
        if len(rest) > 3:
            return False
    return not rest


def stricter(classes: Iterable[MergeClass]) -> MergeClass:
    """Return the strictest of some classes."""
    return max(classes, key=_ORDER.index)


def _undecoded(data: bytes) -> bytes:
    """Return what is left at the end of UTF-8 as the beginning of a letter, else all of it."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data" and len(data) - error.start <= 3
        return data[error.start :] if is_cut else data[:4].ljust(4)
    return b""


def _spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns, backend="re2")
