"""Which file systems are windows into the kernel, such as ``/proc``, and hold no files of people.

A file there can be the memory or the environment of the node itself.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

__all__ = ["kernel_devices"]

_MOUNTS: Final = "/proc/self/mountinfo"
_KERNEL: Final = frozenset(
    [
        "autofs",
        "binder",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "functionfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "resctrl",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "smackfs",
        "sysfs",
        "tracefs",
        "xenfs",
    ]
)


def kernel_devices() -> frozenset[int]:
    """Return the devices of the mounted file systems that are the kernel's own.

    It is empty where the system keeps no table of its mounts, as on macOS, which has device
    files there and nothing else.
    """
    found: set[int] = set()
    with suppress(FileNotFoundError), open(_MOUNTS, errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            if after.split(" ", 1)[0] in _KERNEL:
                major, minor = before.split(" ")[2].split(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
