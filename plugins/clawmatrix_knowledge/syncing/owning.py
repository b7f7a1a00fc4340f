"""One node to a folder: whoever comes second is told who was first."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Taken", "owned"]

_NAME: Final = "lock"


class Taken(Exception):
    """Another workspace, or another node, has the folder."""


@contextmanager
def owned(root: Path, owner: str) -> Iterator[None]:
    """Hold a folder, by whatever path it is reached, for as long as the block runs.

    Args:
        root: the folder.
        owner: who holds it, in words.

    Raises: Taken; OSError.
    """
    folder = root / OWN_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / _NAME, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(descriptor, 1024, 0).decode(errors="replace")
            raise Taken(f"{root} is a workspace of {other or 'another node'} already") from None
        for outer in root.resolve().parents:
            if _is_held(outer / OWN_FOLDER / _NAME):
                raise Taken(f"{root} is in a workspace already, {outer}")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
