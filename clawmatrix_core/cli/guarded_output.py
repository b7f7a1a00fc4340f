"""Standard output and standard error of a command, without characters that nobody sees.

Commands replace such characters in what others wrote before they print it. This is the layer
below: what a command forgot, or a command of a plugin prints with ``click.echo``, goes through it.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from clawmatrix_core.base.plain_text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GuardedStream", "guarded_output"]

_OWN = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|[\n\r\t\b])")
"""Colours, moves of the cursor, and the breaks of lines: these are the business of a command."""


_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))
"""What stands for bytes that are no text: names of files have some, and go on to other programs."""


class GuardedStream:
    r"""A text stream that writes ``\uXXXX`` for a character that nobody sees.

    Everything else is that of the stream that it wraps.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __repr__(self) -> str:
        return f"<GuardedStream over {self._stream!r}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, and return how many characters of it there were."""
        parts = _OWN.split(text)  # raises TypeError for bytes, by which click knows a text stream
        keep = "" if self._stream.isatty() else _BYTES
        parts[::2] = [escaped(part, keep=keep) for part in parts[::2]]
        self._stream.write("".join(parts))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Guard the standard streams within the block; nested blocks guard them once."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_guarded, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _guarded(stream: TextIO) -> TextIO:
    if isinstance(stream, GuardedStream) or stream is None:
        return stream
    return cast("TextIO", GuardedStream(stream))
