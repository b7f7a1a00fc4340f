"""Finds what a regular expression of a caller matches. It is run as a program of its own.

An expression such as ``(a+)+$`` can take for ever, and Python does nothing else meanwhile. This
process has no files, and its parent ends it; should the parent be gone, an alarm does.

On standard input come frames: four bytes with the length, and as many bytes. The first one is
JSON, ``[pattern, ignore_case, seconds]``. Each other one is a piece of a text, behind four bytes
that say how many matches to find at most. Each is answered by a frame of JSON: the first by null,
or what is wrong with the pattern, the others by a list of ``[line, text]``, with lines from 0.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import struct
import sys

SHOWN = 400
"""Characters of a line that are given, around what matches."""
_BEFORE = 100
_MEMORY = 256 * 1024**2


def excerpt(line: str, start: int) -> str:
    """Return a line, or what is around a place in it where it is long."""
    if len(line) <= SHOWN:
        return line
    begin = min(max(start - _BEFORE, 0), len(line) - SHOWN)
    before, after = "…" if begin else "", "…" if begin + SHOWN < len(line) else ""
    return f"{before}{line[begin : begin + SHOWN]}{after}"


def find(pattern: re.Pattern[str], text: str, most: int) -> list[tuple[int, str]]:
    """Return the lines that match, each with its number from 0."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n")):
        if (match := pattern.search(line)) is not None:
            found.append((number, excerpt(line.rstrip("\r"), match.start())))
            if len(found) == most:
                break
    return found


def _frame() -> bytes:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        raise SystemExit
    return sys.stdin.buffer.read(struct.unpack(">I", head)[0])


def _answer(value: object) -> None:
    data = json.dumps(value).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()


def _compiled() -> re.Pattern[str]:
    pattern, ignore_case, seconds = json.loads(_frame())
    signal.alarm(seconds)
    try:
        return re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        _answer(str(error))
        raise SystemExit from None


def main() -> None:
    """Answer frames until there are none."""
    if sys.platform == "linux":  # macOS knows the limit and does not keep to it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    pattern = _compiled()
    _answer(None)
    while True:
        piece = _frame()
        most = struct.unpack(">I", piece[:4])[0]
        _answer(find(pattern, piece[4:].decode(errors="replace"), most))


if __name__ == "__main__":
    main()
