"""Finds a cgroup that was handed to this user, in which the processes of commands are counted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["delegated_cgroup"]

_MOUNT: Final = Path("/sys/fs/cgroup")
_MARKS: Final = ("user.delegate", "trusted.delegate")


def delegated_cgroup(mount: Path = _MOUNT, own: Path = Path("/proc/self/cgroup")) -> str | None:
    """Return the folder of a cgroup in which this process may make others that count processes.

    That is one that systemd delegated (``Delegate=yes`` with ``DelegateSubgroup=``): the cgroup
    of the node, or the one above it, with the controller ``pids`` in force for what is below.

    Args:
        mount: where the second version of cgroups is mounted.
        own: the file that names the cgroup of this process.
    """
    with suppress(OSError, ValueError):
        lines = own.read_text().splitlines()
        path = next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        here = mount / path
        for folder in (here, *here.parents[:1]):
            if folder.is_relative_to(mount) and _is_delegated(folder):
                return str(folder)
    return None


def _is_delegated(folder: Path) -> bool:
    controllers = (folder / "cgroup.subtree_control").read_text().split()
    return "pids" in controllers and os.access(folder, os.W_OK) and _is_marked(folder)


def _is_marked(folder: Path) -> bool:
    """Return whether the cgroup is this user's: root may write all of them."""
    if os.geteuid() != 0:
        return True
    for mark in _MARKS:
        with suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False
