"""The newest lines of the audit, and those that come: what ``clawmatrix audit tail`` prints."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from clawmatrix_audit.folder import CURRENT, AuditFolder
from clawmatrix_audit.line import read_line
from clawmatrix_audit.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_audit.line import Entry

__all__ = ["follow", "line_text", "newest"]

_SHOWN: Final = ("id", "peer", "action", "target", "rule", "approval", "outcome", "duration")


def newest(folder: AuditFolder, count: int, peer: str | None) -> tuple[Sequence[Entry], int]:
    """Return the newest lines, those of one peer where it is given, and the number of the last.

    Raises: StateError, OSError.
    """
    found: deque[Entry] = deque(maxlen=count)
    last = 0
    for name in reversed(folder.names()):
        older: deque[Entry] = deque(maxlen=count - len(found))
        for entry in read_entries(folder, [name]):
            last = max(last, entry.n)
            if peer is None or entry.fields.get("peer") == peer:
                older.append(entry)
        found.extendleft(reversed(older))
        if len(found) >= count:
            break
    return list(found), last


def follow(
    folder: AuditFolder, last: int, show: Callable[[Entry], None], wait: Callable[[], None]
) -> None:
    """Show lines behind the one with the number ``last`` as they come, until ``wait`` raises.

    Goes on in the next file where another one is begun. Raises: StateError, OSError.
    """
    while True:
        try:
            with open(folder.open(CURRENT, os.O_RDONLY), "rb") as file:
                last = _follow_file(folder, file.fileno(), last, show, wait)
        except FileNotFoundError:
            wait()  # between two files
            continue
        rotated = [name for name in folder.names() if name != CURRENT]
        for entry in read_entries(folder, rotated[-2:]):
            last = _shown(entry, last, show)


def _follow_file(
    folder: AuditFolder,
    file: int,
    last: int,
    show: Callable[[Entry], None],
    wait: Callable[[], None],
) -> int:
    """Show what a file has, until its name stands for another one; return the last number."""
    rest, at = b"", 0
    while True:
        there = folder.is_same(CURRENT, file)
        while data := os.pread(file, 65_536, at):
            at += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for raw in lines:
                try:
                    last = _shown(read_line(raw), last, show)
                except ValueError:
                    continue
        if not there:
            return last
        wait()


def _shown(entry: Entry, last: int, show: Callable[[Entry], None]) -> int:
    if entry.n > last:
        show(entry)
    return max(entry.n, last)


def line_text(entry: Entry) -> str:
    """Return a line as people read it."""
    fields = entry.fields
    side = "we call" if fields.get("caller") is True else ""
    shown = [
        f"{name}={fields[name]}" for name in _SHOWN if fields.get(name) not in (None, "", False)
    ]
    return "  ".join(part for part in (str(fields.get("at")), entry.event, side, *shown) if part)
