"""Which version each file on the disk is, as this node last knew. Durable, and written last.

A file is only taken for edited or deleted where it was this version before; what is not here is
taken for a file that was there all along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from clawmatrix_knowledge.files.port import Kind, Stat
from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.index.store import Store
from clawmatrix_knowledge.versions import ContentId, VersionId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from clawmatrix_knowledge.index.store import Shelf

__all__ = ["UNKNOWN", "Local", "LocalStore", "Restored"]

UNKNOWN: Final = VersionId("-")
"""The version of a file whose version is not known; the live version replaces it."""
FORMAT: Final = 1
SNAPSHOT: Final = "local"
LOG: Final = "local.log"


class Local(Mapping[str, Seen]):
    """The files of a workspace, by path."""

    def __init__(self, files: Mapping[str, Seen] | None = None) -> None:
        self._files = dict(files or {})
        self._paths: dict[ContentId, set[str]] = {}
        self._changed: dict[str, Seen | None] = {}
        for path, seen in self._files.items():
            self._paths.setdefault(seen.content, set()).add(path)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, path: str) -> Seen:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def paths_of(self, content: ContentId) -> Collection[str]:
        """Return the files that have these bytes."""
        return self._paths.get(content, ())

    def put(self, path: str, seen: Seen) -> None:
        """Note a file."""
        if self._files.get(path) != seen:
            self.drop(path)
            self._files[path] = self._changed[path] = seen
            self._paths.setdefault(seen.content, set()).add(path)

    def drop(self, path: str) -> None:
        """Note that a file is not there any more, or that nothing is known of it."""
        seen = self._files.pop(path, None)
        if seen is not None:
            self._changed[path] = None
            self._paths[seen.content].discard(path)
            if not self._paths[seen.content]:
                del self._paths[seen.content]

    def take_changes(self) -> Mapping[str, Seen | None]:
        """Return what changed since this was last asked; None stands for a file that went."""
        changed, self._changed = self._changed, {}
        return changed

    def give_back(self, changes: Mapping[str, Seen | None]) -> None:
        """Count changes as not taken, as they could not be kept."""
        self._changed = {**changes, **self._changed}


class _Row(msgspec.Struct, frozen=True, array_like=True):
    path: str
    version: str
    content: str = ""
    size: int = 0
    mtime: int = 0
    ctime: int = 0
    inode: int = 0
    device: int = 0
    mode: int = 0
    links: int = 0
    young: bool = False
    kind: Kind = "file"


class _Frame(msgspec.Struct, frozen=True):
    format: int
    counter: int
    rows: list[_Row]


@attrs.frozen
class Restored:
    """What was stored.

    Attributes:
        local: the files.
        counter: how often it was written; less than before where an old copy was put back.
        lost: bytes that did not read, and are left out.
    """

    local: Local
    counter: int
    lost: int = 0


class LocalStore:
    """Keeps it on the disk. Its functions block. They raise OSError.

    Args:
        shelf: where.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._store = Store(shelf, snapshot=SNAPSHOT, log=LOG)
        self.counter = 0

    def read(self) -> Restored | None:
        """Return what was stored; None, where nothing reads, which is as if it was lost."""
        stored = self._store.read()
        files: dict[str, Seen] = {}
        counter, lost = 0, stored.torn
        for number, data in enumerate((stored.snapshot, *stored.changes)):
            if not data and not number:
                continue
            frame = _read_frame(data)
            if frame is None:
                # What follows a gap would be taken for newer than it is.
                return None
            if number and frame.counter <= counter:
                continue  # a crash came between a snapshot and the end of the log before it
            counter = frame.counter
            for row in frame.rows:
                _take(files, row)
        self.counter = counter
        return Restored(Local(files), counter, lost) if counter else None

    def write(self, local: Local) -> None:
        """Keep what changed, if anything did. Where it fails, it is written the next time."""
        changed = local.take_changes()
        if not changed and self.counter:
            return
        self.counter += 1
        try:
            rows = [_row(path, seen) for path, seen in changed.items()]
            self._store.add([msgspec.msgpack.encode(_Frame(FORMAT, self.counter, rows))])
            if self._store.wants_snapshot:
                self._put_snapshot(local)
        except OSError:
            local.give_back(changed)
            raise

    def replace(self, local: Local) -> None:
        """Keep all of it, in the place of what is stored."""
        local.take_changes()
        self.counter += 1
        self._put_snapshot(local)

    def _put_snapshot(self, local: Local) -> None:
        rows = [_row(path, seen) for path, seen in local.items()]
        frame = _Frame(FORMAT, self.counter, rows)
        self._store.put_snapshot(msgspec.msgpack.encode(frame))


def _read_frame(data: bytes) -> _Frame | None:
    try:
        frame = msgspec.msgpack.decode(data, type=_Frame)
    except msgspec.MsgspecError:
        return None
    return frame if frame.format == FORMAT else None


def _take(files: dict[str, Seen], row: _Row) -> None:
    if not row.version:
        files.pop(row.path, None)
        return
    stat = Stat(
        row.kind, row.size, row.mtime, row.ctime, row.inode, row.device, row.mode, row.links
    )
    files[row.path] = Seen(VersionId(row.version), ContentId(row.content), stat, row.young)


def _row(path: str, seen: Seen | None) -> _Row:
    if seen is None:
        return _Row(path, "")
    stat = seen.stat
    return _Row(
        path,
        seen.version,
        seen.content,
        stat.size,
        stat.mtime,
        stat.ctime,
        stat.inode,
        stat.device,
        stat.mode,
        stat.links,
        seen.young,
        stat.kind,
    )
