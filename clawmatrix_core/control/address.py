"""Where a node's control socket is, and the note in the state folder that says so."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.paths import APP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "NOTE",
    "SERVER",
    "SocketPlace",
    "control_socket_path",
    "control_socket_paths",
]

SERVER = "control"
"""The plugin that serves the socket, by the name that configurations use."""
NOTE = "control.socket"
"""The file in the state folder that says where the node's control socket is."""
IN_STATE = "control.sock"
"""The socket in the state folder, where no runtime folder can be used."""
SOCKET_PATH_LIMIT = 100
"""Bytes in the path of a Unix socket; the kernels allow 104 (macOS) and 108."""

_TEMP = Path("/tmp")
"""Tried behind the folder that the environment names, whose path may be too long."""


@attrs.frozen
class SocketPlace:
    """Where the control socket of a node can be made, and noted.

    Attributes:
        path: the path of the socket, in a folder that only this user can enter.
        state_dir: the state folder of the node, where the note is.
        passed_over: why the socket is not in the folders that come before this one.
    """

    path: Path
    state_dir: Path
    passed_over: tuple[str, ...] = ()

    @classmethod
    def find(cls, state_dir: Path, environ: Mapping[str, str] = os.environ) -> SocketPlace:
        """Return the first place for the control socket of the node with this state folder.

        That is the runtime folder, then the folder for temporary files, and where neither can be
        used the state folder itself. The folder is made, where it has to be.

        Raises: StateError, where the path in the state folder is too long as well.
        """
        whole = state_dir.expanduser().resolve()
        name = hashlib.sha256(os.fsencode(whole)).hexdigest()[:16] + ".sock"
        passed_over: list[str] = []
        for folder in cls.folders(environ):
            try:
                _require_short(folder / name)
                _make_private(folder)
            except StateError as error:
                passed_over.append(str(error))
            else:
                return cls(folder / name, state_dir, tuple(passed_over))
        try:
            _require_short(whole / IN_STATE)
        except StateError as error:
            reasons = "; ".join((*passed_over, str(error)))
            raise StateError(f"there is no place for the control socket: {reasons}") from None
        return cls(whole / IN_STATE, state_dir, tuple(passed_over))

    @staticmethod
    def folders(environ: Mapping[str, str] = os.environ) -> Sequence[Path]:
        """Return the folders that the sockets of this user's nodes can be in, there or not.

        They are in the order in which they are tried; the state folder comes behind them.
        """
        return _runtime_folders(environ)

    def note(self) -> None:
        """Note in the state folder where the socket is. Raises: OSError."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = self.state_dir / NOTE
        note.touch(mode=0o600)
        note.write_text(f"{self.path}\n")

    def remove_note(self) -> None:
        """Remove the note. Raises: OSError."""
        (self.state_dir / NOTE).unlink()


def control_socket_path(state_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the control socket, see ``SocketPlace.find``.

    It is the same for every process of the user with the same ``XDG_RUNTIME_DIR`` and temp
    folder. Raises: StateError.
    """
    return SocketPlace.find(state_dir, environ).path


def _runtime_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders to try."""
    private = f"{APP}-{os.getuid()}"
    folders = [_TEMP / private]
    with suppress(FileNotFoundError):  # there is no folder for temporary files
        folders.insert(0, Path(tempfile.gettempdir()) / private)
    runtime = Path(environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and _is_own_folder(runtime):
        folders.insert(0, runtime / APP)
    return list(dict.fromkeys(folders))


def _is_own_folder(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _require_short(path: Path) -> None:
    if len(os.fsencode(path)) >= SOCKET_PATH_LIMIT:
        raise StateError(f"{path} is too long for the path of a socket")


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StateError(f"cannot make the folder {folder}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StateError(f"{folder} is not a folder of this user's own; remove it")
    if status.st_mode & 0o077:
        raise StateError(f"others may enter {folder}: run chmod 700 on it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateError(f"{folder} cannot be written to")


def control_socket_paths(state_dir: Path) -> Iterator[Path]:
    """Yield where the socket can be: the place that the running node noted, then the usual one.

    A note outlives a node that was killed, and the folder that it names may have gone since. A
    folder that another user can have made there is passed over.

    Raises: StateError, where there is no usual place; OSError, where the note cannot be read.
    """
    try:
        noted = (state_dir / NOTE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        noted = ""
    if noted and _is_left_to_owner_of(state_dir, (state_dir / noted).parent):
        yield state_dir / noted
    yield control_socket_path(state_dir)


def _is_left_to_owner_of(state_dir: Path, folder: Path) -> bool:
    """Say whether the folder belongs to the owner of the state, and nobody else may write in it."""
    try:
        status, owner = folder.lstat(), state_dir.stat().st_uid
    except OSError:
        return False
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == owner
    return is_own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
