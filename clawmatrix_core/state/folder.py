"""The state folder: what a node keeps between runs, and who may use it meanwhile.

Each name is one JSON file, ``{"version": 1, "data": ...}``, readable by its owner only and
replaced as a whole. The folder is locked against a second process for as long as it is open.
Files of a version that this program does not know are refused before anything is changed;
older ones are brought up to date as the folder is opened.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.base.errors import LocalProtocolError, StateError
from clawmatrix_core.state.files import CORE_FILES, NAME, StateFile, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Self

    from clawmatrix_core.base.json_value import JSON

__all__ = [
    "MemoryState",
    "State",
    "StateFolder",
    "StateView",
    "lock_holder",
]


class State(ABC):
    """Named JSON values that outlive the process."""

    @abstractmethod
    def read(self, name: str) -> JSON:
        """Return the value, None for a missing one. The caller checks its shape.

        Raises: StateError, naming the file, where there is one that cannot be used.
        """

    @abstractmethod
    def write(self, name: str, value: JSON) -> None:
        """Replace the value, which is safe on disk on return.

        Blocks for as long as the disk takes. Raises: StateError.
        """

    @abstractmethod
    def locate(self, name: str) -> str:
        """Return where the value is kept, for messages to people."""


class MemoryState(State):
    """State that ends with the process: for tests, and nodes that need none."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def read(self, name: str) -> JSON:
        """See State."""
        content = self._files.get(_checked(name))
        return None if content is None else msgspec.json.decode(content)

    def write(self, name: str, value: JSON) -> None:
        """See State."""
        self._files[_checked(name)] = msgspec.json.encode(value)

    def locate(self, name: str) -> str:
        """See State."""
        return f"{_checked(name)} (in memory)"


class StateFolder(State):
    """A folder of state files. Enter it to lock it; leave it to unlock it.

    ``files`` says which files have come to another shape since their first version, and which
    are looked at before anything is changed; others are of version 1. Of two of one name the
    first counts. The default are the files of the core.

    Raises: StateError on entering, where the folder is in use by another process, cannot be
        made, can be changed by other users, or one of the files cannot be used;
        NewerStateError, where a newer program wrote one.
    """

    def __init__(self, path: Path, files: Iterable[StateFile] = CORE_FILES) -> None:
        self.path = path
        self._files = _by_name(files)
        self._lock: int | None = None

    def __repr__(self) -> str:
        return f"<StateFolder {self.path}, {'closed' if self._lock is None else 'open'}>"

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_modes(self.path, stat.S_IWGRP | stat.S_IWOTH, "700")
            self._lock = _take_lock(self.path)
        except OSError as error:
            told = f"the state folder {self.path} cannot be used: {_why(error)}"
            raise StateError(f"{told}; mend that, or give the node another state_dir") from error
        try:
            self._bring_up_to_date()
        except StateError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def locate(self, name: str) -> str:
        """See State."""
        return str(self._file(name))

    def read(self, name: str) -> JSON:
        """See State."""
        stored = self._load(name)
        return None if stored is None else stored.data

    def write(self, name: str, value: JSON) -> None:
        """See State."""
        self._save(name, Stored(self._declared(name).version, value).encode())

    def _bring_up_to_date(self) -> None:
        """Check all files, then upgrade the old ones. Raises: StateError."""
        found = {file: self._load(file.name) for file in self._files.values()}
        for file, stored in found.items():
            if stored is not None and stored.version < file.version:
                self._upgrade(file, stored)
            # Left where the program ended between the upgrade and the line that removes it.
            for backup in self.path.glob(f"{file.name}.v*.bak"):
                backup.unlink(missing_ok=True)

    def _upgrade(self, file: StateFile, old: Stored) -> None:
        """Put a value in its present shape; the old one lies beside it until that is safe."""
        upgraded = file.upgrade(self._file(file.name), old)
        backup = self.path / f"{file.name}.v{old.version}.bak"
        self._put(backup, old.encode())
        self._save(file.name, upgraded.encode())
        if self._load(file.name) != upgraded:
            raise StateError(f"{self._file(file.name)} is not as it was written; see {backup}")

    def _load(self, name: str) -> Stored | None:
        """Return the content of a file, if it can be read. Raises: StateError."""
        self._require_lock()
        path = self._file(name)
        content = _read(path)
        if content is None:
            return None
        stored = Stored.decode(path, content)
        self._declared(name).check(path, stored)
        return stored

    def _save(self, name: str, content: bytes) -> None:
        self._require_lock()
        self._put(self._file(name), content)

    def _put(self, path: Path, content: bytes) -> None:
        try:
            _replace(path, content)
        except OSError as error:
            told = f"{path} cannot be written: {_why(error)}"
            raise StateError(f"{told}; see to the disk, and to the rights of the folder") from error

    def _declared(self, name: str) -> StateFile:
        return self._files.get(name) or StateFile(_checked(name))

    def _file(self, name: str) -> Path:
        return self.path / f"{_checked(name)}.json"

    def _require_lock(self) -> None:
        if self._lock is None:
            raise LocalProtocolError(f"the state folder {self.path} is not open")


class StateView(State):
    """What the files of a folder say, with nothing locked, upgraded or written.

    For looking at a state folder that another process may be using.
    """

    def __init__(self, path: Path, files: Iterable[StateFile] = ()) -> None:
        self.path = path
        self._files = _by_name(files)

    def __repr__(self) -> str:
        return f"<StateView of {self.path}>"

    def locate(self, name: str) -> str:
        """See State."""
        return str(self.path / f"{_checked(name)}.json")

    def read(self, name: str) -> JSON:
        """See State."""
        path = self.path / f"{_checked(name)}.json"
        file = self._files.get(name) or StateFile(name)
        content = _read(path)
        if content is None:
            return None
        stored = Stored.decode(path, content)
        file.check(path, stored)
        return file.upgrade(path, stored).data

    def write(self, name: str, value: JSON) -> None:
        """Raises: LocalProtocolError, always."""
        raise LocalProtocolError(f"{self.locate(name)} is only looked at")


def _by_name(files: Iterable[StateFile]) -> dict[str, StateFile]:
    found: dict[str, StateFile] = {}
    for file in files:
        found.setdefault(file.name, file)
    return found


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise LocalProtocolError(f"{name!r} cannot name a state file")
    return name


def _refuse_modes(path: Path, forbidden: int, mended: str) -> None:
    if path.stat().st_mode & forbidden:
        command = f"chmod {mended} {shlex.quote(str(path))}"
        raise StateError(f"{path} is open to other users; mend that with: {command}")


def _take_lock(folder: Path) -> int:
    """Return the locked file's descriptor; the kernel unlocks it when the process ends."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except BlockingIOError:
        # Empty for the moment between the other's lock and its write.
        holder = os.pread(lock, 20, 0).decode(errors="replace") or "(just starting)"
        os.close(lock)
        raise StateError(f"state folder {folder} is in use by {_in_words(holder)}") from None
    except OSError:
        os.close(lock)
        raise
    return lock


def _in_words(holder: str) -> str:
    if holder == str(os.getpid()):
        return "another node of this process: give each node a state_dir of its own"
    return f"process {holder}: stop that one, or give this node another state_dir"


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def lock_holder(folder: Path) -> str | None:
    """Return which process uses a state folder, None where none does. Raises: OSError."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, 20, 0).decode(errors="replace") or "(just starting)"
    finally:
        os.close(lock)
    return None


def _read(path: Path) -> bytes | None:
    """Return the content of a file, None for a missing file. Raises: StateError."""
    try:
        _refuse_modes(path, stat.S_IRWXG | stat.S_IRWXO, "600")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        told = f"{path} cannot be read: {_why(error)}"
        raise StateError(f"{told}; see to the disk, and to the owner of the file") from error


def _replace(path: Path, content: bytes) -> None:
    """Put the content in the path's place: after a crash there is the old or the new one."""
    draft = path.with_suffix(".tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # a draft left by a crash may have another mode
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
