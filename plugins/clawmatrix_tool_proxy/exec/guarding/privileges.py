"""Takes from a process what its user may do beyond its own files (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import signal

from clawmatrix_tool_proxy.exec.guarding.syscalls import checked, libc, prctl

__all__ = [
    "become_subreaper",
    "die_with_parent",
    "drop_capabilities",
    "hide_from_others",
    "show_to_others",
]

_SET_DUMPABLE, _DROP_BOUNDING, _AMBIENT, _SUBREAPER, _PARENT_DEATH = 4, 24, 47, 36, 1
_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522
_SET_NO_NEW_PRIVS = 38


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def become_subreaper() -> None:
    """Have orphans below this process become its children. Raises: OSError."""
    prctl("subreaper", _SUBREAPER, 1)


def hide_from_others() -> None:
    """Let no other process of this user look into this one. Raises: OSError."""
    prctl("dumpable", _SET_DUMPABLE, 0)


def show_to_others() -> None:
    """Take back ``hide_from_others``, also for what is the process's own in /proc."""
    prctl("dumpable", _SET_DUMPABLE, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. Raises: OSError."""
    prctl("parent death", _PARENT_DEATH, signal.SIGKILL)


def drop_capabilities() -> None:
    """Give up every capability, for all that this process starts too. Raises: OSError."""
    with contextlib.suppress(OSError):  # the kernel says EINVAL after its last capability
        for capability in range(64):
            prctl("bounding set", _DROP_BOUNDING, capability)
    with contextlib.suppress(OSError):
        prctl("ambient set", _AMBIENT, _AMBIENT_CLEAR_ALL)
    # Without new privileges a program of root's does not get them back.
    prctl("no_new_privs", _SET_NO_NEW_PRIVS, 1)
    header, none = _Header(version=_VERSION_3, pid=0), (ctypes.c_uint32 * 6)()
    checked(libc.capset(ctypes.byref(header), none), "capset")
