"""System calls that Python has no name for, through the C library."""

from __future__ import annotations

import ctypes
import os

__all__ = [
    "CLONE_NEWIPC",
    "CLONE_NEWNS",
    "CLONE_NEWUSER",
    "bind_onto",
    "checked",
    "cloned_tree",
    "libc",
    "mount",
    "prctl",
    "set_read_only",
    "syscall",
    "unshare",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000

# These numbers are the same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442

_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_EMPTY_PATHS = 0x4 | 0x40  # both the source and the target are given by descriptor
_MOUNT_ATTR_RDONLY = 1

libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def checked(result: int, what: str) -> int:
    """Return a result of the C library. Raises: OSError, where it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    """Make a system call by its number. Raises: OSError."""
    as_longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return checked(libc.syscall(ctypes.c_long(number), *as_longs), what)


def prctl(what: str, option: int, *arguments: object) -> int:
    """Make a prctl call; arguments left out are 0. Raises: OSError."""
    as_longs = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    as_longs += [ctypes.c_ulong(0)] * (4 - len(as_longs))
    return checked(libc.prctl(option, *as_longs), what)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. Raises: OSError."""
    checked(libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount a file system, or change how one is mounted. Raises: OSError."""
    encoded = None if kind is None else kind.encode()
    result = libc.mount(
        source.encode(), os.fsencode(target), encoded, ctypes.c_ulong(flags), data.encode()
    )
    checked(result, f"mount on {target}")


def cloned_tree(descriptor: int) -> int:
    """Return a descriptor of a copy of what is mounted at and below a file. Raises: OSError."""
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | _AT_RECURSIVE | os.O_CLOEXEC
    return syscall("open_tree", _OPEN_TREE, descriptor, b"", flags)


def bind_onto(tree: int, target: int) -> None:
    """Mount a copied tree over a file or folder, both given by descriptor. Raises: OSError."""
    syscall("move_mount", _MOVE_MOUNT, tree, b"", target, b"", _MOVE_EMPTY_PATHS)


def set_read_only(tree: int) -> None:
    """Make all that is mounted at and below a descriptor read-only. Raises: OSError."""
    attributes = _MountAttributes(set=_MOUNT_ATTR_RDONLY)
    flags, size = _AT_EMPTY_PATH | _AT_RECURSIVE, ctypes.sizeof(attributes)
    pointer = ctypes.byref(attributes)
    syscall("mount_setattr", _MOUNT_SETATTR, tree, b"", flags, pointer, size)
