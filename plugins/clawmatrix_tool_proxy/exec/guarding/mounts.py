"""What a command sees of the file system, in a mount namespace of its own (Linux).

Everything is read-only there but the roots that it may write in and its private folder: Landlock
alone would let it change modes and owners elsewhere. What must be kept from it lies under an
empty mount, and the folders above that are mounts as well: the kernel moves no mount, so it is
found at the same place before the next command. Landlock, and the filter of system calls, keep the
command from changing mounts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.own import OWN_FOLDERS, Hidden, Own
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking
from clawmatrix_tool_proxy.exec.guarding.places import FOLDER, opened_place
from clawmatrix_tool_proxy.exec.guarding.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    bind_onto,
    cloned_tree,
    mount,
    set_read_only,
    unshare,
)

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job, Place
    from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder

__all__ = ["View", "enter_namespace"]

_RECURSIVE, _PRIVATE = 0x4000, 1 << 18
_ROUNDS = 5


def enter_namespace() -> bool:
    """Enter a mount namespace, and one for shared memory and queues.

    Whoever is not root gets there by a user namespace, in which it keeps its own id.

    Returns:
        Whether the process is in a user namespace of its own now.

    Raises: OSError, where the kernel or the system's policy does not allow it.
    """
    own_user = not _entered_as_root()
    if own_user:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    mount("none", "/", None, _RECURSIVE | _PRIVATE)
    return own_user


def _entered_as_root() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        unshare(CLONE_NEWNS | CLONE_NEWIPC)
    except PermissionError:  # root of a container
        return False
    return True


class View:
    """Arranges the mounts of the namespace that this process has entered.

    Args:
        job: what the command may use.
        private: its private folder.
        own: finds what is kept from it.
    """

    def __init__(self, job: Job, private: PrivateFolder, own: Own) -> None:
        self._job, self._private, self._own = job, private, own
        self._held: set[tuple[int, int]] = set()  # folders that cannot be moved, by inode

    def arrange(self) -> None:
        """Make everything read-only that the command may not write, and hide what it may not see.

        Raises: OSError; Lacking, where something to be hidden moves while it is looked for.
        """
        self._protect()
        for place in self._job.roots:
            if not place.write and self._is_inside_a_writable(place):
                _bind(opened_place(place), opened_place(place))
        if self._private.hosts is not None:
            _bind(_opened(self._private.hosts), _opened(os.path.realpath("/etc/hosts")))
        self._hide_all()

    def _protect(self) -> None:
        stay = [opened_place(place) for place in self._writable_roots()]
        stay += map(_opened, self._private.writable)
        onto = [(opened, opened) for opened in stay]
        if os.path.isdir("/dev/shm"):
            onto.append((_opened("/dev/shm"), _opened(self._private.shm)))
        # Copied before all is made read-only, these stay as they are.
        copies = [(target, cloned_tree(source)) for target, source in onto]
        set_read_only(_opened("/"))
        for target, copy in copies:
            bind_onto(copy, target)

    def _writable_roots(self) -> list[Place]:
        """Return the roots for writing, without those that are inside another."""
        writable = [place for place in self._job.roots if place.write]
        return [place for place in writable if not self._is_inside_a_writable(place)]

    def _is_inside_a_writable(self, place: Place) -> bool:
        return any(
            other.write and place.path.startswith(other.path.rstrip("/") + "/")
            for other in self._job.roots
        )

    def _hide_all(self) -> None:
        for _ in range(_ROUNDS):
            with contextlib.suppress(FileNotFoundError):
                for hidden in self._to_hide():
                    self._hold_in_place(hidden)
                    self._hide(hidden)
                return
        raise Lacking(OWN_FOLDERS, "what is to be hidden moves while it is looked for")

    def _to_hide(self) -> list[Hidden]:
        found = [hidden for path in self._job.readable_all for hidden in self._own.below(path)]
        for path in (*(place.path for place in self._job.roots), *self._job.readable):
            found += self._own.search(path)
        return found

    def _hold_in_place(self, hidden: Hidden) -> None:
        """Let the command move no folder between a root and what is hidden in it."""
        for place in self._writable_roots():
            if hidden.startswith(place.path.rstrip("/") + "/"):
                above = os.path.dirname(os.path.relpath(hidden, place.path))
                self._hold_below(place, above.split("/") if above else [])

    def _hold_below(self, place: Place, names: list[str]) -> None:
        with contextlib.ExitStack() as stack:
            here = _closed_by(stack, opened_place(place))
            for name in names:
                folder = _closed_by(stack, os.open(name, FOLDER, dir_fd=here))
                status = os.fstat(folder)
                if (key := (status.st_dev, status.st_ino)) not in self._held:
                    bind_onto(_closed_by(stack, cloned_tree(folder)), folder)
                    self._held.add(key)
                    folder = _closed_by(stack, os.open(name, FOLDER, dir_fd=here))  # in the mount
                here = folder

    def _hide(self, hidden: Hidden) -> None:
        with contextlib.ExitStack() as stack:
            target = _closed_by(stack, _opened(hidden, no_link=True))
            status = os.fstat(target)
            if (status.st_dev, status.st_ino) != hidden.key:
                if _is_covered(status, self._private):
                    return
                raise FileNotFoundError(hidden)
            is_folder = stat.S_ISDIR(status.st_mode)
            source = self._private.empty_folder if is_folder else self._private.empty_file
            copy = _closed_by(stack, cloned_tree(_closed_by(stack, _opened(source))))
            set_read_only(copy)
            bind_onto(copy, target)


def _closed_by(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _is_covered(status: os.stat_result, private: PrivateFolder) -> bool:
    return any(
        os.path.samestat(status, os.stat(path))
        for path in (private.empty_folder, private.empty_file)
    )


def _bind(source: int, target: int) -> None:
    copy = cloned_tree(source)
    set_read_only(copy)
    bind_onto(copy, target)


def _opened(path: str, *, no_link: bool = False) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if no_link else 0))


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
