"""Landlock: which files and ports a process and its children may use (Linux)."""

from __future__ import annotations

import ctypes
import os
import stat
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.syscalls import prctl, syscall

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Ruleset", "landlock_version"]

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _NET_PORT = 1, 2
_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1, 2

_READ = EXECUTE | READ_FILE | READ_DIR
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
# All rights over files that a version of Landlock knows.
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_SCOPES = 3  # abstract Unix sockets, signals


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    try:
        return syscall("landlock", _CREATE, None, 0, 1)
    except OSError:
        return 0


class Ruleset:
    """What is allowed; everything else that this kernel's Landlock knows is refused.

    Args:
        version: the kernel's version of Landlock.
        tcp: whether TCP is held to the ports that are allowed.
    """

    def __init__(self, version: int, *, tcp: bool) -> None:
        self._files = _FILE_RIGHTS[min(version, 5)]
        net = BIND_TCP | CONNECT_TCP if tcp and version >= 4 else 0
        scoped = _SCOPES if version >= 6 else 0
        attributes = _Attributes(files=self._files, net=net, scoped=scoped)
        size = ctypes.sizeof(attributes)
        self._ruleset = syscall("landlock", _CREATE, ctypes.byref(attributes), size, 0)
        self._net = net

    def allow_reading(self, place: int | str) -> None:
        """Allow reading and running what is at and below a descriptor or path."""
        self._allow(place, _READ)

    def allow_writing(self, place: int | str) -> None:
        """Allow everything below a descriptor or path but making devices."""
        self._allow(place, self._files & ~(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV))

    def allow_devices(self, paths: Iterable[str]) -> None:
        """Allow reading, writing and controlling single devices."""
        for path in paths:
            self._allow(path, READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV)

    def allow_connecting(self, port: int) -> None:
        """Allow TCP connections to a port, of whatever host."""
        if self._net:
            rule = _PortRule(allowed=CONNECT_TCP, port=port)
            self._add(_NET_PORT, ctypes.byref(rule))

    def enforce(self) -> None:
        """Hold this process and all its children to the rules, for good. Raises: OSError."""
        prctl("no_new_privs", _NO_NEW_PRIVS, 1)
        syscall("landlock", _RESTRICT_SELF, self._ruleset, 0)
        os.close(self._ruleset)

    def _allow(self, place: int | str, rights: int) -> None:
        if isinstance(place, int):
            self._allow_opened(place, rights)
            return
        try:
            opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # what is not there needs no rule
        try:
            self._allow_opened(opened, rights)
        finally:
            os.close(opened)

    def _allow_opened(self, opened: int, rights: int) -> None:
        # A rule for a file takes only those rights that a file can have.
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= _ON_FILES
        rule = _PathRule(allowed=rights & self._files, parent=opened)
        self._add(_PATH_BENEATH, ctypes.byref(rule))

    def _add(self, kind: int, rule: object) -> None:
        syscall("landlock", _ADD_RULE, self._ruleset, kind, rule, 0)
