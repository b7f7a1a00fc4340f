"""Contents that are kept beside the workspace: what was replaced, deleted, or is merged with.

A content is kept once, compressed where that helps, under its id. Entries say of which file and
version it was. Functions block; they raise OSError.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs
import msgspec

from clawmatrix_knowledge.ids import ContentHasher
from clawmatrix_knowledge.paths import OWN_FOLDER
from clawmatrix_knowledge.versions import ContentId, VersionId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from clawmatrix_knowledge.files.port import Files, Names

__all__ = ["DAY", "DAYS_ALWAYS", "History", "Kept", "NoRoom", "Why", "WrongContent"]

Why: TypeAlias = Literal["recorded", "replaced", "deleted"]

DAY: Final = 86_400
DAYS_ALWAYS: Final = 7
"""Days in which nothing is given up for want of space."""
_FOLDER: Final = (OWN_FOLDER, "history")
_ENTRIES: Final = (*_FOLDER, "entries")
_PIECE: Final = 256 * 1024
_WORTH: Final = 0.9
"""What is compressed to more than this part of its size is kept as it is."""


class WrongContent(ValueError):
    """Bytes are not what their id says."""


class NoRoom(Exception):
    """A content cannot be kept without giving up what is promised to be kept."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """Says that the content of a version is kept.

    Attributes:
        content: its id.
        path: the file.
        version: the version; empty for an edit that came in between two versions.
        why: why it is kept.
        size: bytes, before they are compressed.
        time: since when, seconds since 1970.
    """

    content: ContentId
    path: str
    version: str
    why: Why
    size: int
    time: int


@attrs.frozen
class _Policy:
    days: int
    goal: int


class History:
    """The kept contents of a workspace.

    Args:
        files: the file system of the workspace.
        now: returns seconds since 1970.
        days: for how long contents are kept, where there is room.
        goal: bytes that all of them may take, before older ones than ``DAYS_ALWAYS`` go.
    """

    def __init__(
        self, files: Files, now: Callable[[], float], *, days: int = 30, goal: int = 1024**3
    ) -> None:
        self._files, self._now = files, now
        self._policy = _Policy(days, goal)
        self._entries: list[Kept] = []
        self._keys: set[tuple[str, str, str, bool]] = set()
        self._lengths: dict[ContentId, int] = {}
        self._unsynced: set[Names] = set()
        self._sizes: dict[ContentId, int] = {}

    def open(self) -> int:
        """Read what is kept; return how many entries did not read, and are left out."""
        for folder in (_FOLDER[:1], _FOLDER):
            _make(self._files, folder)
        self._sizes = dict(self._objects())
        # A crash may have come before these were on the disk.
        self._unsynced |= {_FOLDER, *(_place(content)[:-1] for content in self._sizes)}
        found, bad = self._read_entries()
        self._entries = []
        self._take(one for one in found if one.content in self._sizes)
        return bad

    @property
    def size(self) -> int:
        """Bytes that the contents take."""
        return sum(self._sizes.values())

    def __contains__(self, content: object) -> bool:
        return content in self._sizes

    def entries(self, path: str | None = None) -> Sequence[Kept]:
        """Return what is kept, the oldest first; of one file, or of all."""
        return [one for one in self._entries if path in (None, one.path)]

    def keep(
        self,
        content: ContentId,
        data: Iterable[bytes],
        *,
        path: str,
        version: VersionId | None,
        why: Why,
    ) -> None:
        """Keep the bytes of a version; on return they are on the disk.

        Args:
            content: their id.
            data: the bytes, in pieces; not asked for where they are kept already.
            path: the file.
            version: the version; None for an edit between two versions.
            why: why they are kept.

        Raises: WrongContent, where the bytes are others; OSError.
        """
        size = self.write(content, data)
        self.note([Kept(content, path, version or "", why, size, int(self._now()))])

    def write(self, content: ContentId, data: Iterable[bytes]) -> int:
        """Write the bytes of a content; ``note`` then says what they are, and keeps them.

        Several contents may be written at once, in threads. Returns how many bytes they are.

        Raises: WrongContent, where the bytes are others; OSError.
        """
        if content in self._sizes:
            return self._lengths.get(content, 0)
        return self._put(content, data)

    def note(self, entries: Sequence[Kept]) -> None:
        """Note what contents are that were written; on return all of it is on the disk."""
        fresh: dict[tuple[str, str, str, bool], Kept] = {}
        for one in entries:
            if _key(one) not in self._keys:
                fresh.setdefault(_key(one), one)
        for folder in self.unsynced:
            self.sync(folder)
        if fresh:
            self._append(list(fresh.values()))
            self._take(fresh.values())

    @property
    def unsynced(self) -> Sequence[Names]:
        """The folders that ``write`` changed, and that are not on the disk yet."""
        return list(self._unsynced)

    def sync(self, folder: Names) -> None:
        """Put a folder on the disk. Others may be at once, in threads. Raises: OSError."""
        self._unsynced.discard(folder)  # what is written meanwhile counts as not synced
        try:
            self._files.sync_folder(folder)
        except OSError:
            self._unsynced.add(folder)
            raise

    def read(self, content: ContentId) -> Iterator[bytes]:
        """Return the bytes of a content. Raises: KeyError; WrongContent, once they were read."""
        if content not in self._sizes:
            raise KeyError(content)
        hasher, inflater = ContentHasher(), zlib.decompressobj()
        with self._files.open(_place(content)) as handle:
            squeezed = handle.read(0, 1) == b"z"
            at = 1
            while piece := handle.read(at, _PIECE):
                at += len(piece)
                part = inflater.decompress(piece) if squeezed else piece
                hasher.update(part)
                yield part
        if hasher.digest() != content:
            raise WrongContent(f"the kept content {content[:12]} is damaged")

    def purge(self, paths: Collection[str]) -> int:
        """Give up the contents of files; return how many. Those that others have too stay."""
        gone = [one for one in self._entries if one.path in paths]
        self._rewrite([one for one in self._entries if one.path not in paths])
        return len(gone)

    def prune(self, held: Collection[ContentId] = ()) -> int:
        """Give up what is too old, and where there is no room what is older than a week.

        Args:
            held: contents that stay though they are old.

        Returns how many bytes are over the goal still.
        """
        now, day = self._now(), DAY
        entries = [
            one
            for one in self._entries
            if one.content in held or now - one.time < self._policy.days * day
        ]
        over = self._size_of(entries) - self._policy.goal
        while over > 0:
            oldest = next((one for one in entries if one.content not in held), None)
            if oldest is None or now - oldest.time < DAYS_ALWAYS * day:
                break
            entries.remove(oldest)
            over = self._size_of(entries) - self._policy.goal
        if len(entries) < len(self._entries):
            self._rewrite(entries)
        return max(0, over)

    def check_room(self, size: int) -> None:
        """Raises: NoRoom, where a content of a size would make what has to stay exceed the goal."""
        over = self.prune()
        if over or self.size + size > self._policy.goal:
            young = [one for one in self._entries if self._is_young(one)]
            if self._size_of(young) + size > self._policy.goal:
                raise NoRoom(f"{size} bytes more of what was replaced; {self.size} are kept")

    # --- files

    def _put(self, content: ContentId, data: Iterable[bytes]) -> int:
        """Write the bytes of a content. Returns how many they are."""
        fresh = (*_FOLDER, f"{content}.new")
        size, hasher = 0, ContentHasher()
        _discard(self._files, fresh)
        try:
            with self._files.open(fresh, "new") as handle:
                size, written = _squeezed(handle.write, data, hasher)
                if hasher.digest() != content:
                    raise WrongContent(f"{content[:12]} names other bytes")
                handle.sync()
            place = _place(content)
            self._move(fresh, place)
        except BaseException:
            _discard(self._files, fresh)
            raise
        self._sizes[content] = written
        self._lengths[content] = size
        return size

    def _move(self, fresh: Names, place: Names) -> None:
        try:
            self._files.rename(fresh, place)
        except FileNotFoundError:
            with suppress(FileExistsError):
                self._files.make_folder(place[:-1], 0o700)
            self._unsynced.add(_FOLDER)
            self._files.rename(fresh, place)
        self._unsynced.add(place[:-1])

    def _objects(self) -> Iterator[tuple[ContentId, int]]:
        for folder in self._files.list(_FOLDER):
            if folder.stat is None or folder.stat.kind != "folder":
                continue
            for one in self._files.list((*_FOLDER, folder.name)):
                if one.stat is not None and one.stat.kind == "file":
                    yield ContentId(one.name), one.stat.size

    def _read_entries(self) -> tuple[list[Kept], int]:
        try:
            with self._files.open(_ENTRIES) as handle:
                data = handle.read(0, handle.stat().size)
        except FileNotFoundError:
            return [], 0
        found, bad = [], 0
        for line in data.splitlines():
            try:
                found.append(_DECODER.decode(line))
            except msgspec.MsgspecError:
                bad += 1
        return found, bad

    def _append(self, entries: Sequence[Kept]) -> None:
        is_new = self._files.stat(_ENTRIES) is None
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
        with self._files.open(_ENTRIES, "new" if is_new else "write") as handle:
            end = handle.stat().size
            torn = end and handle.read(end - 1, 1) != b"\n"
            handle.write(end, (b"\n" if torn else b"") + lines)
            handle.sync()
        if is_new:
            self._files.sync_folder(_FOLDER)

    def _take(self, entries: Iterable[Kept]) -> None:
        for one in entries:
            self._entries.append(one)
            self._keys.add(_key(one))
            self._lengths[one.content] = one.size

    def _rewrite(self, entries: Sequence[Kept]) -> None:
        """Keep these entries, and the contents that they name."""
        fresh = (*_FOLDER, "entries.new")
        _discard(self._files, fresh)
        with self._files.open(fresh, "new") as handle:
            handle.write(0, b"".join(msgspec.json.encode(one) + b"\n" for one in entries))
            handle.sync()
        self._files.rename(fresh, _ENTRIES)
        self._files.sync_folder(_FOLDER)
        self._entries, self._keys, self._lengths = [], set(), {}
        self._take(entries)
        kept = {one.content for one in entries}
        for content in [one for one in self._sizes if one not in kept]:
            _discard(self._files, _place(content))
            del self._sizes[content]

    def _size_of(self, entries: Iterable[Kept]) -> int:
        return sum(self._sizes.get(one, 0) for one in {entry.content for entry in entries})

    def _is_young(self, entry: Kept) -> bool:
        return self._now() - entry.time < DAYS_ALWAYS * DAY


_DECODER: Final = msgspec.json.Decoder(Kept)


def _squeezed(
    write: Callable[[int, bytes], None], data: Iterable[bytes], hasher: ContentHasher
) -> tuple[int, int]:
    """Write bytes, compressed where their beginning says that it is worth it.

    Returns how many they are, and how many were written.
    """
    size, at = 0, 1
    squeezer = None
    for number, part in enumerate(data):
        hasher.update(part)
        size += len(part)
        if not number:
            worth = len(zlib.compress(part, 1)) < _WORTH * len(part)
            squeezer = zlib.compressobj() if worth else None
            write(0, b"z" if worth else b"-")
        out = part if squeezer is None else squeezer.compress(part)
        write(at, out)
        at += len(out)
    if squeezer is not None:
        out = squeezer.flush()
        write(at, out)
        at += len(out)
    if not size:
        write(0, b"-")
    return size, at


def _key(one: Kept) -> tuple[str, str, str, bool]:
    # What was recorded is kept anew, for as long again, when it is replaced.
    return one.content, one.path, one.version, one.why == "recorded"


def _place(content: ContentId) -> Names:
    return (*_FOLDER, content[-2:], content)


def _make(files: Files, folder: Names) -> None:
    if files.stat(folder) is None:
        with suppress(FileExistsError):
            files.make_folder(folder, 0o700)
        files.sync_folder(folder[:-1])


def _discard(files: Files, names: Names) -> None:
    if files.stat(names) is not None:
        files.unlink(names)
