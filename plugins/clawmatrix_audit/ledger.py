"""The files of the audit as they are written: numbered, chained, rotated, repaired, dropped.

All of it blocks, so ``book`` calls it in a thread, one call at a time.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from clawmatrix_audit.describing import read_time, time_text
from clawmatrix_audit.folder import CURRENT, AuditFolder, flush, rotated_name
from clawmatrix_audit.line import GENESIS, Entry, digest_of, write_line
from clawmatrix_audit.reading import read_entries, read_pieces
from clawmatrix_audit.unfinished import Unfinished
from clawmatrix_core import StateError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from clawmatrix_core import JSON

__all__ = ["FILE", "Ledger"]

FILE: Final = 8 * 1024**2
"""Bytes after which another file is begun."""
SPARE: Final = 64 * 1024
"""Bytes beyond its limit that an audit may have, to say that old lines are dropped."""
FILE_AGE: Final = 86_400.0
"""Seconds after which another file is begun, so that files can be dropped by their age."""


class Ledger:
    """The chain of lines in a folder, open for writing.

    Attributes:
        n: the number of the last line, 0 where there is none.
        digest: its hash.
        limit: bytes that all files may have.
        unfinished: the work that was begun and has not ended.
        damage: what was seen since the start of lines or files that another hand changed; None
            where nothing was.
    """

    def __init__(
        self,
        folder: AuditFolder,
        key: bytes,
        *,
        wall: Callable[[], float],
        limit: int,
        log: logging.Logger,
        file_size: int = FILE,
    ) -> None:
        """Make one; enter it to open it. ``key`` seals lines, ``wall`` is in seconds since 1970."""
        self.folder, self._key, self._wall, self.limit = folder, key, wall, limit
        self._log, self._file_size = log, file_size
        self.n, self.digest = 0, GENESIS
        self.unfinished = Unfinished()
        self.damage: str | None = None
        self._owed: list[dict[str, JSON]] = []
        self._file = -1
        self._size = 0
        self._others = 0
        self._first, self._first_at = 1, wall()

    def __enter__(self) -> Self:
        """Open the files; mend what a crash left of the last line, and say so in a line.

        Raises: StateError, where that is not safe, or not possible.
        """
        with ExitStack() as stack:
            self.folder.make()
            stack.enter_context(self.folder)
            stack.callback(self._close)
            try:
                self._open()
            except OSError as error:
                raise self._failed(error) from error
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.folder.__exit__()

    def append(self, drafts: Sequence[Mapping[str, JSON]], *, spare: int = 0) -> None:
        """Write lines; all of them are on disk on return, or none is in the file.

        ``spare`` is how many bytes they may take beyond the limit.

        Raises: StateError, where they cannot be written: a full disk, a full audit.
        """
        try:
            self._keep_the_file()
            if self._is_due():
                self._rotate()
                drafts = [*self.unfinished.carried(time_text(self._wall())), *drafts]
            self._append([*self._owed, *drafts], spare)
            self._owed = []
        except OSError as error:
            raise self._failed(error) from error

    def drop(self, before: float) -> None:
        """Remove files whose last line is older, after a line that says so. Raises: StateError."""
        try:
            while (found := self._droppable(before)) is not None:
                name, first, last = found
                self.append([self._dropped(first, last)], spare=SPARE)
                size = self.folder.size(name)
                self.folder.remove(name)
                self._others -= size
        except OSError as error:
            raise self._failed(error) from error

    def _open(self) -> None:
        names = self.folder.names()
        torn = self._mend(names)
        last: Entry | None = None
        for entry in read_entries(self.folder, names[-2:]):
            if last is not None and (entry.n, entry.prev) != (last.n + 1, last.digest):
                self._note_damage(
                    f"line {entry.n} of the audit does not follow from line {last.n}: it was"
                    " changed; `clawmatrix audit verify` has more"
                )
            last = entry
            self.unfinished.note(entry.fields)
        if last is not None:
            self.n, self.digest = last.n, last.digest
        self._others = sum(self.folder.size(name) for name in names if name != CURRENT)
        self._open_file()
        if torn is not None:
            self._owed = [{"at": time_text(self._wall()), "event": "repaired", **torn}]

    def _mend(self, names: Sequence[str]) -> dict[str, JSON] | None:
        """Cut off a last line that has no end; return what it was."""
        if CURRENT not in names:
            return None
        end, torn = 0, b""
        for piece in read_pieces(self.folder, [CURRENT]):
            torn = b"" if piece.whole else piece.raw
            end = piece.start + len(piece.raw) + 1 if piece.whole else end
        if not torn:
            return None
        file = self.folder.open(CURRENT, os.O_RDWR)
        try:
            size = os.fstat(file).st_size - end
            os.ftruncate(file, end)
            os.fsync(file)
        finally:
            os.close(file)
        self._log.warning(
            "the last line of the audit had no end, and was cut off: %d bytes, from a crash", size
        )
        return {"bytes": size, "hash": digest_of(torn)}

    def _open_file(self) -> None:
        """Open the file to write to; make it where there is none."""
        self._close()
        is_new = not self.folder.has(CURRENT)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._file = self.folder.open(CURRENT, flags | os.O_EXCL if is_new else flags)
        if is_new:
            self.folder.sync()
        self._size = os.fstat(self._file).st_size
        self._first, self._first_at = self.n + 1, self._wall()
        for entry in read_entries(self.folder, [CURRENT]):
            self._first = entry.n
            self._first_at = read_time(entry.fields.get("at")) or self._first_at
            break

    def _keep_the_file(self) -> None:
        """See that the file is the one that was opened; another hand may have moved it away."""
        if self._file >= 0 and self.folder.is_same(CURRENT, self._file):
            return
        if self._file >= 0:
            self._note_damage(f"{self.folder.path / CURRENT} was moved away or replaced")
        self._open_file()

    def look_for_the_file(self) -> None:
        """See that file and folder are where they were; what is not is in ``damage``.

        Raises: StateError, where no other file can be made.
        """
        try:
            self._keep_the_file()
        except OSError as error:
            raise self._failed(error) from error
        if self.damage is None and not self.folder.is_in_place():
            self._note_damage(f"{self.folder.path} was moved away or replaced")

    def _note_damage(self, words: str) -> None:
        self._log.error("%s", words)
        self.damage = self.damage or words  # the first one is the nearest to its cause

    def _append(self, drafts: Sequence[Mapping[str, JSON]], spare: int) -> None:
        n, digest, lines = self.n, self.digest, []
        for fields in drafts:
            n += 1
            lines.append(write_line(n, digest, fields, self._key))
            digest = digest_of(lines[-1])
        self._write(b"\n".join(lines) + b"\n", spare)
        self.n, self.digest = n, digest
        for fields in drafts:
            self.unfinished.note(fields)

    def _write(self, content: bytes, spare: int) -> None:
        """Put bytes at the end of the file, on disk; where that fails, it is as before."""
        before = os.fstat(self._file).st_size
        if before and before != self._size and os.pread(self._file, 1, before - 1) != b"\n":
            content = b"\n" + content
        if self._others + before + len(content) > self.limit + spare:
            raise StateError(
                f"the audit, {self.folder.path}, has no room left:"
                " raise [audit] size, or lower [audit] keep"
            )
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            flush(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise
        self._size = before + len(content)

    def _is_due(self) -> bool:
        age = self._wall() - self._first_at
        return self._size > 0 and (self._size >= self._file_size or age >= FILE_AGE)

    def _rotate(self) -> None:
        self.folder.rename(CURRENT, rotated_name(self._first))
        self._others += self._size
        self._open_file()

    def _droppable(self, before: float) -> tuple[str, Entry, Entry] | None:
        """Return the oldest file, where it can go, with its first and its last line."""
        name = next(iter(self.folder.names()), CURRENT)
        if name == CURRENT:
            return None
        entries = list(read_entries(self.folder, [name]))
        if not entries:
            return None  # whatever it is, the node did not write it
        at = read_time(entries[-1].fields.get("at"))
        return None if at is None or at >= before else (name, entries[0], entries[-1])

    def _dropped(self, first: Entry, last: Entry) -> dict[str, JSON]:
        return {
            "at": time_text(self._wall()),
            "event": "dropped",
            "first": first.n,
            "last": last.n,
            "hash": last.digest,
            "until": last.fields.get("at"),
        }

    def _failed(self, error: OSError) -> StateError:
        why = error.strerror or str(error)
        return StateError(f"the audit, {self.folder.path}, cannot be written: {why}")

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
