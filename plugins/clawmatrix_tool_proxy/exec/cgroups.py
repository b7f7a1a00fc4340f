"""Finds a cgroup in which this user may have the processes of commands counted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["usable_cgroup"]

_MOUNT: Final = Path("/sys/fs/cgroup")


def usable_cgroup(mount: Path = _MOUNT, own: Path = Path("/proc/self/cgroup")) -> str | None:
    """Return the folder of a cgroup in which this process may make others that count processes.

    An ordinary user may where one was delegated (systemd's ``Delegate=yes`` with
    ``DelegateSubgroup=``): that is the cgroup of the node, or the one above it. Root may in most.

    Args:
        mount: where cgroups are mounted, of the first version or of the second.
        own: the file that names the cgroups of this process.
    """
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "pids":
                found = _first(mount / "pids", path, _counts)
            else:
                found = None if controllers else _first(mount, path, _counts_below)
            if found is not None:
                return found
    return None


def _first(mount: Path, path: str, fits: Callable[[Path], bool]) -> str | None:
    here = mount / path.lstrip("/")
    for folder in (here, here.parent):
        if folder.is_relative_to(mount) and os.access(folder, os.W_OK) and fits(folder):
            return str(folder)
    return None


def _counts(folder: Path) -> bool:
    return (folder / "cgroup.procs").exists()


def _counts_below(folder: Path) -> bool:
    with suppress(OSError):
        return "pids" in (folder / "cgroup.subtree_control").read_text().split()
    return False
