"""A text whose encoding and line ends stay as they are while a part of it is replaced."""

from __future__ import annotations

import codecs
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

import attrs

from clawmatrix_tool_proxy.files.errors import refusal
from clawmatrix_tool_proxy.files.pieces import is_binary
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_tool_proxy.files.paths import RootPath

__all__ = ["Changed", "Text", "utf8"]

_LINES_TOLD: Final = 20
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def utf8(text: str, what: str) -> bytes:
    """Return an argument as UTF-8. Raises: ToolError ``bad_arguments``, where it is no text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ToolError(f"{what} is not UTF-8 text", "bad_arguments") from None


@attrs.frozen
class Changed:
    """A text after a change.

    Attributes:
        data: all of it, in its encoding.
        count: how many times the text was replaced.
        lines: the numbers of the lines, from 1, on which the first of the replaced texts began.
    """

    data: bytes = attrs.field(repr=False)
    count: int
    lines: Sequence[int]


@attrs.frozen
class Text:
    """A text.

    Attributes:
        path: where it is.
        data: it as UTF-8, or where it is of an encoding that is not known, as it is.
        encoding: what it is written in, where that is not UTF-8 but known.
    """

    path: RootPath
    data: bytes = attrs.field(repr=False)
    encoding: str | None = None

    @classmethod
    def read(cls, path: RootPath, data: bytes) -> Self:
        """Return what is in a file. Raises: ToolError ``binary``."""
        encoding = _MARKS.get(data[:2])
        try:
            if encoding is not None:
                return cls(path, data.decode(encoding).encode(), encoding)
        except UnicodeDecodeError:
            raise refusal(path, "binary", "it begins as UTF-16, and is not") from None
        if is_binary(data):
            raise refusal(path, "binary", "it is no text")
        return cls(path, data)

    def replaced(self, old: str, new: str, *, every: bool, most: int) -> Changed:
        """Replace a text.

        Args:
            old, new: the text to replace and its replacement, with the line ends of the file.
            every: all of the places, and not one alone.
            most: bytes that the text may have afterwards.

        Raises: ToolError.
        """
        before, after = self._written(utf8(old, "old")), self._written(utf8(new, "new"))
        count = self._count(before, every=every)
        if len(self.data) + count * (len(after) - len(before)) > most:
            raise refusal(self.path, "too_large", f"it would have more than {most:,} bytes")
        data = self.data.replace(before, after)
        if self.encoding is not None:
            data = data.decode().encode(self.encoding)
        return Changed(data, count, list(islice(self._lines(before), min(count, _LINES_TOLD))))

    def _written(self, text: bytes) -> bytes:
        """Return a text with the line ends of the file."""
        if not text.isascii() and self.encoding is None:
            self._require_utf8()
        if (ends := self.data.count(b"\r\n")) and ends == self.data.count(b"\n"):
            return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return text

    def _require_utf8(self) -> None:
        try:
            self.data.decode()
        except UnicodeDecodeError:
            words = "it is not UTF-8, so only ASCII text is put into it"
            raise refusal(self.path, "binary", words) from None

    def _count(self, text: bytes, *, every: bool) -> int:
        """Return how many times a text is there. Raises: ToolError, where that is not right."""
        if not text:
            raise refusal(self.path, "text_not_found", "old is empty: name the text to replace")
        if (first := self.data.find(text)) < 0:
            raise refusal(self.path, "text_not_found", "the text is not there, as it is written")
        if every:
            return self.data.count(text)
        if self.data.find(text, first + 1) >= 0:
            words = "the text is there more than once: add lines around it, or set all"
            raise refusal(self.path, "not_unique", words)
        return 1

    def _lines(self, text: bytes) -> Iterator[int]:
        line, seen, at = 1, 0, -len(text)
        while (at := self.data.find(text, at + len(text))) >= 0:
            line += self.data.count(b"\n", seen, at)
            seen = at
            yield line
