"""What finds matches in a piece of a text: a plain text here, an expression in another process."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol, Self

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.globs import PATTERN
from clawmatrix_tool_proxy.files.matcher import excerpt
from clawmatrix_tool_proxy.files.text import utf8
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import JSON

__all__ = ["GONE", "PATTERN_SECONDS", "Expression", "Finder", "PlainText"]

PATTERN_SECONDS = Bound(
    5,
    "seconds that a pattern of `search` may take for one piece of a file, 1 MiB at most",
    fed_by="a member",
    when_full="the process that matches is ended, and the search fails with `slow_pattern`",
)
GONE: Final = 600
"""Seconds after which the process ends by itself, whatever became of this one."""
_LOOK: Final = 50
"""Milliseconds between two looks at whether the caller is still there."""


class Finder(Protocol):
    """Finds matches, inside a ``with``."""

    def __enter__(self) -> Self:
        """Begin. Raises: ToolError."""
        ...

    def __exit__(self, *_: object) -> None:
        """End."""
        ...

    def find(self, piece: bytes, most: int) -> Sequence[tuple[int, str]]:
        """Return the lines that match, each with its number from 0. Raises: ToolError."""
        ...


@attrs.frozen
class PlainText:
    """Finds a text as it is written."""

    text: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what finds a text. Raises: ToolError ``bad_pattern``."""
        if not text or "\n" in text:
            raise ToolError("a text to search for is in one line, and not empty", "bad_pattern")
        if len(text) > PATTERN:
            raise ToolError(f"a pattern has at most {PATTERN} characters", "bad_pattern")
        return cls(utf8(text, "pattern"))

    def __enter__(self) -> Self:
        """See Finder."""
        return self

    def __exit__(self, *_: object) -> None:
        """See Finder."""

    def find(self, piece: bytes, most: int) -> Sequence[tuple[int, str]]:
        """See Finder."""
        found: list[tuple[int, str]] = []
        at, seen, line = 0, 0, 0
        while len(found) < most and (at := piece.find(self.text, at)) >= 0:
            start = piece.rfind(b"\n", 0, at) + 1
            end = piece.find(b"\n", at)
            end = len(piece) if end < 0 else end
            line += piece.count(b"\n", seen, start)
            before = piece[start:at].decode(errors="replace")
            whole = piece[start:end].decode(errors="replace").rstrip("\r")
            found.append((line, excerpt(whole, len(before))))
            at = seen = end
        return found


class Expression:
    """Finds what a regular expression of Python matches, in a process that can be ended.

    It is a context manager; the process is gone once it is left.

    Attributes:
        process: the process; None before the first time.
    """

    def __init__(
        self, pattern: str, *, ignore_case: bool = False, check: Callable[[], None] = lambda: None
    ) -> None:
        """Make one.

        Args:
            pattern: the expression.
            ignore_case: whether small and large letters are the same.
            check: is called while the process works; raises where the caller has left.

        Raises: ToolError ``bad_pattern``, where it is too long.
        """
        if not pattern or len(pattern) > 2 * PATTERN:  # each character may be escaped
            raise ToolError(f"a pattern has 1 to {PATTERN} characters", "bad_pattern")
        self._head = json.dumps([pattern, ignore_case, GONE]).encode()
        self._check = check
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process. Raises: ToolError ``bad_pattern`` or ``slow_pattern``."""
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("matcher.py"))]
        self.process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={},
            start_new_session=True,
        )
        try:
            if wrong := self._asked(self._head):
                raise ToolError(f"the pattern is none: {wrong}", "bad_pattern")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()

    def find(self, piece: bytes, most: int) -> Sequence[tuple[int, str]]:
        """See Finder. Raises: ToolError ``slow_pattern``."""
        found: Sequence[tuple[int, str]] = self._asked(struct.pack(">I", most) + piece)
        return found

    def _asked(self, data: bytes) -> JSON:
        """Send a frame and return the answer; the process reads all of it before it works."""
        process = self.process
        assert process is not None, "it is inside a with"
        assert process.stdin is not None
        assert process.stdout is not None
        ends_at = time.monotonic() + PATTERN_SECONDS
        rest = memoryview(struct.pack(">I", len(data)) + data)
        try:
            while rest:
                rest = rest[process.stdin.write(rest) or 0 :]
            head = self._read(process.stdout, 4, ends_at)
            return json.loads(self._read(process.stdout, struct.unpack(">I", head)[0], ends_at))
        except (EOFError, BrokenPipeError):
            words = "the pattern takes too much memory, or its process was ended"
            raise ToolError(words, "slow_pattern") from None

    def _read(self, pipe: IO[bytes], size: int, ends_at: float) -> bytes:
        poll, found = select.poll(), b""
        poll.register(pipe, select.POLLIN)
        while len(found) < size:
            if poll.poll(_LOOK):
                if not (more := os.read(pipe.fileno(), size - len(found))):
                    raise EOFError
                found += more
            self._check()
            if time.monotonic() > ends_at:
                words = f"the pattern takes more than {PATTERN_SECONDS} s for a piece of a file"
                raise ToolError(words, "slow_pattern")
        return found
