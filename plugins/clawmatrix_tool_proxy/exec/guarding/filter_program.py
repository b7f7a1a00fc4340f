"""The filter of system calls as a program of classic BPF: values in, instructions out.

Each rule is a block that begins with the number of the call in the accumulator. A block either
leaves the number there and falls through to the next, or returns.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.call_numbers import ARCHITECTURES, LAST_KNOWN, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONNECTING", "NOTHING", "OPEN", "filter_program"]

# How much of the network a command may use.
NOTHING, CONNECTING, OPEN = "nothing", "connecting", "open"

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand
_Block = list[_Instruction]

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_EQUAL, _GREATER, _ANY_BIT = 0x15, 0x25, 0x45
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _SEQPACKET = 1, 2, 5
_TYPE_FLAGS = 0x80000 | 0x800  # close on exec, non-blocking
_TCP, _UDP = 6, 17
_MSG_FASTOPEN = 0x20000000
_TCP_ULP = 31
_X32_FIRST = 512

# Namespaces in the flags of clone.
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000
_NEW_NAMESPACES |= 0x10000000 | 0x20000000 | 0x40000000

# Programs do without these where a kernel lacks them. The flags of clone3 are out of the filter's
# sight, and C libraries fall back on clone; so is the mode of a file that openat2 makes.
_ABSENT = (
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("clone3", "openat2", "userfaultfd"),
)

# What would undo the confinement, or is of no use to it: mounts and namespaces, the keys that the
# kernel holds for the user, and measuring, changing and overhearing the kernel.
_REFUSED = (
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns"),
    *("open_tree", "open_tree_attr", "move_mount", "mount_setattr"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "open_by_handle_at"),
    *("add_key", "request_key", "keyctl", "bpf", "perf_event_open", "kcmp", "syslog"),
)

# Calls that reach into another process, which Landlock holds to the command's own.
_TRACING = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd")

# Calls that can name another process of the same user: limits set on the node would end it.
# The argument that names a process, where 0 is the caller.
_NAMING_A_PROCESS = {
    "prlimit64": 0,
    "setpriority": 1,
    "sched_setparam": 0,
    "sched_setscheduler": 0,
    "sched_setaffinity": 0,
    "sched_setattr": 0,
    "ioprio_set": 1,
    "migrate_pages": 0,
    "move_pages": 0,
}

# Calls that can also name all processes of a user, where 0 is the caller's. The argument that says
# what is named, and its value for that.
_NAMING_A_USER = {"setpriority": (0, 2), "ioprio_set": (0, 3)}

# A file that runs as its owner would stay in a root when the command is gone, for whoever can run
# it there: the owner is the node's user. The argument with the mode.
_GIVING_A_MODE = {
    "chmod": 1,
    "fchmod": 1,
    "fchmodat": 2,
    "fchmodat2": 2,
    "mknod": 1,
    "mknodat": 2,
    "creat": 1,
}
_OPENING = {"open": 1, "openat": 2}  # the argument with the flags; the mode is the next
_AS_OWNER = 0o6000
_MAKES_A_FILE = 0o100 | 0o20000000  # O_CREAT, and what is O_TMPFILE's own


def filter_program(machine: str, *, network: str, tracing: bool) -> bytes:
    """Return the instructions for a machine as the kernel takes them.

    Args:
        machine: what ``os.uname`` calls it: "x86_64" or "aarch64".
        network: ``NOTHING``, ``CONNECTING`` for TCP connections only, or ``OPEN`` for servers
            and UDP too.
        tracing: whether a process may look into others, where Landlock holds that to its own.

    Raises: KeyError, for any other machine.
    """
    calls, blocks = _Calls(NUMBERS[machine]), [_beginning(machine)]
    blocks += [calls.refused(name, errno.ENOSYS) for name in _ABSENT]
    refused = _REFUSED if tracing else (*_REFUSED, *_TRACING)
    blocks += [calls.refused(name, errno.EPERM) for name in refused]
    blocks += [
        calls.own_process_only(name, at, _NAMING_A_USER.get(name))
        for name, at in _NAMING_A_PROCESS.items()
    ]
    blocks += calls.modes()
    blocks += [calls.flagless("clone", 0, _NEW_NAMESPACES, errno.EPERM)]
    blocks += calls.sockets(network)
    blocks.append([_returns(_ALLOW)])
    return b"".join(struct.pack("HBBI", *instruction) for block in blocks for instruction in block)


def _beginning(machine: str) -> _Block:
    """Refuse other architectures, x32, and calls that came after this list."""
    block = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        _returns(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, 0, 1, LAST_KNOWN),
        _returns(_ERRNO | errno.ENOSYS),
    ]
    # Numbers of x32 have a high bit, and its own begin at 512: both are above the last known.
    assert LAST_KNOWN < _X32_FIRST
    return block


class _Calls:
    """Makes blocks for calls by name."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self._numbers = numbers

    def refused(self, name: str, error: int) -> _Block:
        return self._block(name, [_returns(_ERRNO | error)])

    def own_process_only(self, name: str, argument: int, user: tuple[int, int] | None) -> _Block:
        body = [_load(argument), (_EQUAL, 0, 1, 0), _returns(_ALLOW)]
        if user is not None:
            at, value = user
            body = [_load(at), (_EQUAL, len(body), 0, value), *body]
        return self._block(name, [*body, _returns(_ERRNO | errno.EPERM)])

    def modes(self) -> list[_Block]:
        """Refuse modes of files that run as their owner or group."""
        here = self._numbers  # the older calls are not on all machines
        blocks = [
            self.flagless(name, at, _AS_OWNER, errno.EPERM)
            for name, at in _GIVING_A_MODE.items()
            if name in here
        ]
        for name, at in _OPENING.items():
            if name in here:
                # Without a new file the argument after the flags is anything.
                body = [_load(at), (_ANY_BIT, 0, 3, _MAKES_A_FILE)]
                body += [_load(at + 1), (_ANY_BIT, 0, 1, _AS_OWNER)]
                blocks.append(
                    self._block(name, [*body, _returns(_ERRNO | errno.EPERM), _returns(_ALLOW)])
                )
        return blocks

    def flagless(self, name: str, argument: int, flags: int, error: int) -> _Block:
        body = [_load(argument), (_ANY_BIT, 0, 1, flags), _returns(_ERRNO | error)]
        return self._block(name, [*body, _returns(_ALLOW)])

    def sockets(self, network: str) -> list[_Block]:
        kinds: dict[int, Sequence[int]] = {_STREAM: (0, _TCP)}
        if network == OPEN:
            kinds[_DATAGRAM] = (0, _UDP)
        blocks = [self._made("socket", (_AF_INET, _AF_INET6), kinds)]
        # A pair is connected for good, but for datagrams: these could be sent to any address.
        blocks.append(self._made("socketpair", (_AF_UNIX,), {_STREAM: (0, 1), _SEQPACKET: (0, 1)}))
        if network != OPEN:
            blocks += [self.refused(name, errno.EACCES) for name in ("bind", "listen")]
            blocks += self._ways_past_connect()
        if network == NOTHING:
            blocks.append(self.refused("connect", errno.EACCES))
        return blocks

    def _ways_past_connect(self) -> list[_Block]:
        """Refuse what connects without the check that Landlock makes of ``connect``."""
        fast_open = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
        blocks = [
            self.flagless(name, at, _MSG_FASTOPEN, errno.EOPNOTSUPP)
            for name, at in fast_open.items()
        ]
        # TCP_ULP can make an SMC socket of one of TCP.
        body = [_load(1), (_EQUAL, 0, 3, _TCP), _load(2), (_EQUAL, 0, 1, _TCP_ULP)]
        body += [_returns(_ERRNO | errno.ENOPROTOOPT), _returns(_ALLOW)]
        return [*blocks, self._block("setsockopt", body)]

    def _made(self, name: str, families: Sequence[int], kinds: dict[int, Sequence[int]]) -> _Block:
        """Allow a socket of these families, types and protocols only."""
        body = [_load(0), *_one_of(families, errno.EAFNOSUPPORT)]
        for kind, protocols in kinds.items():
            allowed = [_load(2), *_one_of(protocols, errno.EPROTONOSUPPORT), _returns(_ALLOW)]
            body += [_load(1), (_AND, 0, 0, 0xFFFFFFFF ^ _TYPE_FLAGS)]
            body += [(_EQUAL, 0, len(allowed), kind), *allowed]
        return self._block(name, [*body, _returns(_ERRNO | errno.ESOCKTNOSUPPORT)])

    def _block(self, name: str, body: _Block) -> _Block:
        return [(_EQUAL, 0, len(body), self._numbers[name]), *body]


def _one_of(values: Sequence[int], error: int) -> _Block:
    """Go on where the accumulator is one of the values, else return the error."""
    last = len(values) - 1
    tests = [(_EQUAL, last - at + 1, 0, value) for at, value in enumerate(values)]
    return [*tests, _returns(_ERRNO | error)]


def _load(argument: int) -> _Instruction:
    # The lower half of a 64-bit argument, which is what the kernel takes of an int.
    return (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * argument)


def _returns(what: int) -> _Instruction:
    return (_RETURN, 0, 0, what)
