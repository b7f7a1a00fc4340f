"""Checks of the state folder: can it be used, is there room, is what is in it whole?"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import NewerStateError, StateError
from clawmatrix_core.loading.contributions import Finding
from clawmatrix_core.state.folder import StateView, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from clawmatrix_core.state.files import StateFile

__all__ = ["LITTLE_ROOM", "look_at_files", "look_at_folder", "look_at_lock"]

LITTLE_ROOM = 64 * 1024 * 1024
"""Bytes that should be free."""

_NAME = "state.folder"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def look_at_folder(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the folder, by really writing a file in it. Blocks."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield _not_there(path)
        return
    except OSError as error:
        yield _unusable(path, error)
        return
    if not stat.S_ISDIR(mode):
        advice = "move that file away, or set state_dir to a folder"
        yield Finding(_NAME, "problem", f"{path} is not a folder", advice)
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        detail = f"other users can write in {path}: the node refuses to use it"
        yield Finding(_NAME, "problem", detail, f"chmod 700 {path}")
    else:
        yield from _write(path)


def _not_there(path: Path) -> Finding:
    above = next(folder for folder in path.parents if folder.exists())
    effective = os.access in os.supports_effective_ids
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK, effective_ids=effective):
        return Finding(_NAME, "ok", f"{path} is not there yet: the first start makes it")
    advice = f"make {path} yourself and give it to the user of the node, or set another state_dir"
    return Finding(_NAME, "problem", f"{path} cannot be made in {above}", advice)


def _write(path: Path) -> Iterator[Finding]:
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(path).free
    except OSError as error:
        yield _unusable(path, error)
        return
    if free < LITTLE_ROOM:
        detail = f"{free / 1024**2:.1f} MiB are free on the disk of {path}"
        yield Finding(_NAME, "warning", detail, f"make room: df -h {path}")
    else:
        yield Finding(_NAME, "ok", f"{path} can be written")


def _unusable(path: Path, error: OSError) -> Finding:
    if error.errno in _FULL:
        detail = f"the disk of {path} is full: keys that nodes show cannot be kept"
        return Finding(_NAME, "problem", detail, f"make room: df -h {path}")
    advice = f"give the folder to the user of the node: chown -R USER {path}; chmod 700 {path}"
    if error.errno == errno.EROFS:
        advice = "mount its disk for writing, or set another state_dir"
    elif error.errno not in (errno.EACCES, errno.EPERM):
        advice = "look at the disk and at limits of the process, or set another state_dir"
    reason = error.strerror or str(error)
    return Finding(_NAME, "problem", f"{path} cannot be used: {reason}", advice)


def look_at_lock(path: Path) -> Iterator[Finding]:
    """Yield who uses the folder, where the node of it did not answer. Blocks."""
    try:
        holder = lock_holder(path)
    except OSError as error:
        yield Finding("state.lock", "skipped", f"the lock cannot be looked at: {error.strerror}")
        return
    if holder is not None:
        yield Finding(
            "state.lock",
            "problem",
            f"process {holder} uses {path}, and does not answer on a control socket",
            f"look at it: ps -p {holder}; a node that hangs, or runs without the control plugin,"
            " has to be stopped before another one can start",
        )


def look_at_files(path: Path, files: Iterable[StateFile]) -> Iterator[Finding]:
    """Yield the files that cannot be used. Blocks."""
    files = list(files)
    view = StateView(path, files)
    bad = False
    for file in files:
        try:
            view.read(file.name)
        except StateError as error:
            bad = True
            yield Finding("state.files", "problem", str(error), _advice(error, path))
    if not bad and path.is_dir():
        yield Finding("state.files", "ok", "every file in it can be read")


def _advice(error: StateError, path: Path) -> str:
    if isinstance(error, NewerStateError):
        return "update ClawMatrix, or bring back a copy of the folder from before"
    if "chmod" in str(error):
        return "run that command"
    return f"bring back a copy of {path} from a backup; without one, a new key has to be accepted"
