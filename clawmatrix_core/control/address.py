"""Where a node's control socket is, and the note in the state folder that says so."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.paths import APP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "NOTE",
    "SERVER",
    "control_socket_path",
    "control_socket_paths",
    "note_socket",
    "remove_note",
]

SERVER = "control"
"""The plugin that serves the socket, by the name that configurations use."""
NOTE = "control.socket"
"""The file in the state folder that says where the node's control socket is."""
SOCKET_PATH_LIMIT = 100
"""Bytes in the path of a Unix socket; the kernels allow 104 (macOS) and 108."""


def control_socket_path(state_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the control socket of the node with this state folder.

    Its folder is made, where it has to be; only this user can enter it. The path is the
    same for every process of the user with the same ``XDG_RUNTIME_DIR`` and temp folder.

    Raises: StateError, where the folder belongs to someone else or others may enter it.
    """
    name = hashlib.sha256(os.fsencode(state_dir.expanduser().resolve())).hexdigest()[:16] + ".sock"
    path = next(
        path
        for path in (folder / name for folder in _runtime_folders(environ))
        if len(os.fsencode(path)) < SOCKET_PATH_LIMIT
    )
    _make_private(path.parent)
    return path


def _runtime_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders to try, the last of them with a path that is always short enough."""
    private = f"{APP}-{os.getuid()}"
    folders = [Path(tempfile.gettempdir()) / private, Path("/tmp") / private]
    runtime = Path(environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and runtime.is_dir() and runtime.stat().st_uid == os.getuid():
        folders.insert(0, runtime / APP)
    return folders


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


def control_socket_paths(state_dir: Path) -> Iterator[Path]:
    """Yield where the socket can be: the place that the running node noted, then the usual one.

    Raises: StateError, where the usual folder is not this user's own; OSError, where the note
        cannot be read.
    """
    try:
        noted = (state_dir / NOTE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        noted = ""
    if noted:
        yield state_dir / noted
    yield control_socket_path(state_dir)


def note_socket(path: Path, state_dir: Path) -> None:
    """Note in the state folder where the socket is. Raises: OSError."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = state_dir / NOTE
    note.touch(mode=0o600)
    note.write_text(f"{path}\n")


def remove_note(state_dir: Path) -> None:
    """Remove the note. Raises: OSError."""
    (state_dir / NOTE).unlink()
