"""Where files are: the configuration, a node's state, its control socket."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from clawmatrix_core.base.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONFIG_NAME", "control_socket_path", "default_state_dir", "find_config"]

APP = "clawmatrix"
CONFIG_NAME = "clawmatrix.toml"
SOCKET_PATH_LIMIT = 100
"""Bytes in the path of a Unix socket; the kernels allow 104 (macOS) and 108."""


def find_config(explicit: Path | None = None) -> Path:
    """Return the configuration file to use, as an absolute path.

    Args:
        explicit: the file asked for; else the current folder's, else the user's.

    Raises: ConfigError, which names the places that were looked at.
    """
    if explicit is not None:
        if not explicit.expanduser().is_file():
            raise ConfigError([f"{explicit}: there is no such file; `clawmatrix init` makes one"])
        return explicit.expanduser().absolute()
    places = [Path(CONFIG_NAME).absolute(), platformdirs.user_config_path(APP) / CONFIG_NAME]
    for place in places:
        if place.is_file():
            return place
    looked = " or ".join(str(place) for place in places)
    raise ConfigError([f"there is no configuration at {looked}; `clawmatrix init` makes one"])


def default_state_dir(node_id: str) -> Path:
    """Return the folder a node keeps its state in unless it is told another."""
    return platformdirs.user_state_path(APP) / node_id


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
