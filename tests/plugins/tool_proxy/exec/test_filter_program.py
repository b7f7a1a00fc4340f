"""The filter of system calls, run by an interpreter of its programs: no kernel is asked."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path
from typing import Final

import pytest

from clawmatrix_tool_proxy.exec.guarding.call_numbers import ARCHITECTURES, LAST_KNOWN, NUMBERS
from clawmatrix_tool_proxy.exec.guarding.filter_program import (
    CONNECTING,
    NOTHING,
    OPEN,
    filter_program,
)

ALLOWED: Final = "allowed"
KILLED: Final = "killed"
I386: Final = 0x40000003
ARM: Final = 0x40000028

MACHINES = pytest.mark.parametrize("machine", sorted(NUMBERS))
NETWORKS = pytest.mark.parametrize("network", [NOTHING, CONNECTING, OPEN])


class Filter:
    """A program for one machine, which decides about calls by name."""

    def __init__(self, machine: str, network: str = NOTHING, *, tracing: bool = True) -> None:
        self.machine = machine
        program = filter_program(machine, network=network, tracing=tracing)
        self.steps = list(struct.iter_unpack("HBBI", program))

    def __call__(self, name: str, *arguments: int) -> str:
        return self.number(NUMBERS[self.machine][name], *arguments)

    def number(self, number: int, *arguments: int, architecture: int | None = None) -> str:
        """Decide about a call by its number."""
        architecture = architecture or ARCHITECTURES[self.machine]
        padded = (*arguments, *[0] * (6 - len(arguments)))
        data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
        return _word(self._run(data))

    def _run(self, data: bytes) -> int:
        accumulator, at = 0, 0
        while True:
            code, true, false, operand = self.steps[at]
            at += 1
            if code == 0x20:  # load
                (accumulator,) = struct.unpack_from("<I", data, operand)
            elif code == 0x54:  # and
                accumulator &= operand
            elif code == 0x06:  # return
                return int(operand)
            else:
                test = {0x15: accumulator == operand, 0x25: accumulator > operand}
                test[0x45] = bool(accumulator & operand)
                at += true if test[code] else false


def _word(returned: int) -> str:
    if returned == 0x7FFF0000:
        return ALLOWED
    if returned == 0x80000000:
        return KILLED
    assert returned & 0xFFFF0000 == 0x00050000
    return errno.errorcode[returned & 0xFFFF]


@MACHINES
@NETWORKS
def test_sockets_are_allowed_by_a_list(machine: str, network: str) -> None:
    decide = Filter(machine, network)
    allowed = {
        (family, kind, protocol)
        for family in range(48)
        for kind in range(12)
        for protocol in (0, 1, 2, 6, 17, 33, 132, 255, 262)
        if decide("socket", family, kind, protocol) == ALLOWED
    }
    tcp = {(family, 1, protocol) for family in (2, 10) for protocol in (0, 6)}
    udp = {(family, 2, protocol) for family in (2, 10) for protocol in (0, 17)}
    assert allowed == (tcp | udp if network == OPEN else tcp)


@MACHINES
def test_flags_of_a_type_do_not_hide_it(machine: str) -> None:
    decide = Filter(machine)
    for flags in (0x800, 0x80000, 0x80800):
        assert decide("socket", 2, 1 | flags, 6) == ALLOWED
        assert decide("socket", 2, 2 | flags, 0) != ALLOWED
    for flag in (0x10, 0x100, 0x40000000, 0x80000000):
        assert decide("socket", 2, 1 | flag, 0) != ALLOWED


@MACHINES
def test_of_wide_arguments_the_half_counts_that_the_kernel_takes(machine: str) -> None:
    decide = Filter(machine)
    assert decide("socket", 1 << 32 | 1, 1, 0) != ALLOWED
    assert decide("socket", 2, 1, 1 << 32 | 262) != ALLOWED
    assert decide("sendto", 0, 0, 0, 0xFFFFFFFF << 32 | 0x20000000) != ALLOWED


@MACHINES
@NETWORKS
def test_calls_of_other_architectures_end_the_process(machine: str, network: str) -> None:
    decide = Filter(machine, network)
    for architecture in {I386, ARM, *ARCHITECTURES.values()} - {ARCHITECTURES[machine]}:
        assert decide.number(20, architecture=architecture) == KILLED


@MACHINES
@NETWORKS
def test_calls_of_x32_and_unknown_ones_are_refused(machine: str, network: str) -> None:
    decide = Filter(machine, network)
    socket = NUMBERS[machine]["socket"]
    numbers = (0x40000000 | socket, 512, 519, 547, LAST_KNOWN + 1, 0xFFFFFFFF)
    assert {decide.number(number, 2, 1, 0) for number in numbers} == {"ENOSYS"}


@MACHINES
@NETWORKS
def test_what_would_undo_the_confinement_is_refused(machine: str, network: str) -> None:
    decide = Filter(machine, network)
    names = "mount umount2 unshare setns pivot_root chroot move_mount open_tree fsopen fsmount"
    names += " mount_setattr keyctl add_key request_key bpf perf_event_open open_by_handle_at"
    assert {decide(name) for name in names.split()} == {"EPERM"}
    absent = "io_uring_setup io_uring_enter io_uring_register clone3 userfaultfd"
    assert {decide(name) for name in absent.split()} == {"ENOSYS"}


@MACHINES
def test_namespaces_are_not_made_by_clone(machine: str) -> None:
    decide = Filter(machine)
    assert decide("clone", 17) == ALLOWED
    assert decide("clone", 0x3D0F00) == ALLOWED  # a thread
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide("clone", flag | 17) == "EPERM"


@MACHINES
def test_limits_and_priorities_of_other_processes_are_refused(machine: str) -> None:
    decide = Filter(machine)
    for name in ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity"):
        assert decide(name, 0, 7) == ALLOWED
        assert decide(name, 4711, 7) == "EPERM"
    assert decide("setpriority", 0, 0, 5) == ALLOWED
    assert decide("setpriority", 0, 4711, 5) == "EPERM"


@MACHINES
def test_priorities_of_a_whole_user_are_refused(machine: str) -> None:
    decide = Filter(machine)
    assert [decide("setpriority", which, 0, 5) for which in range(3)] == [ALLOWED, ALLOWED, "EPERM"]
    assert [decide("ioprio_set", which, 0) for which in (1, 2, 3)] == [ALLOWED, ALLOWED, "EPERM"]
    assert decide("setpriority", 1 << 32 | 2, 0, 5) == "EPERM"


@MACHINES
def test_files_that_run_as_their_owner_are_not_made(machine: str) -> None:
    decide = Filter(machine)
    modes = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "mknod": 1, "mknodat": 2}
    for name, at in {**modes, "creat": 1}.items():
        if name in NUMBERS[machine]:
            assert decide(name, *[0] * at, 0o755) == ALLOWED
            assert decide(name, *[0] * at, 0o104755) == "EPERM"
            assert decide(name, *[0] * at, 0o2755) == "EPERM"
    for name, at in {"open": 1, "openat": 2}.items():
        if name in NUMBERS[machine]:
            for makes in (0o100, 0o20200000):
                assert decide(name, *[0] * at, makes | 1, 0o4755) == "EPERM"
                assert decide(name, *[0] * at, makes | 1, 0o755) == ALLOWED
            assert decide(name, *[0] * at, 0o200000, 0o6000) == ALLOWED  # no mode: it makes none
    assert decide("openat2") == "ENOSYS"


@MACHINES
def test_other_processes_are_looked_into_only_where_landlock_holds_that(machine: str) -> None:
    for name in ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"):
        assert Filter(machine, tracing=True)(name) == ALLOWED
        assert Filter(machine, tracing=False)(name) == "EPERM"


@MACHINES
def test_servers_and_connections_need_the_network(machine: str) -> None:
    found = {
        network: [Filter(machine, network)(name) for name in ("connect", "bind", "listen")]
        for network in (NOTHING, CONNECTING, OPEN)
    }
    assert found[NOTHING] == ["EACCES"] * 3
    assert found[CONNECTING] == [ALLOWED, "EACCES", "EACCES"]
    assert found[OPEN] == [ALLOWED] * 3


@MACHINES
def test_ways_past_the_check_of_connections_are_closed(machine: str) -> None:
    decide = Filter(machine, CONNECTING)
    fast_open = 0x20000000
    assert decide("sendto", 3, 0, 1, fast_open) == "ENOTSUP"
    assert decide("sendmsg", 3, 0, fast_open | 0x4000) == "ENOTSUP"
    assert decide("sendmmsg", 3, 0, 1, fast_open) == "ENOTSUP"
    assert decide("sendto", 3, 0, 1, 0x4000) == ALLOWED
    assert decide("setsockopt", 3, 6, 31) == "ENOPROTOOPT"
    assert decide("setsockopt", 3, 6, 1) == ALLOWED
    assert decide("setsockopt", 3, 1, 31) == ALLOWED


@MACHINES
def test_pairs_are_of_unix_streams_and_packets(machine: str) -> None:
    decide = Filter(machine)
    allowed = {
        (family, kind)
        for family in range(64)
        for kind in range(12)
        if decide("socketpair", family, kind, 0) == ALLOWED
    }
    assert allowed == {(1, 1), (1, 5)}


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
        ("aarch64", Path("/usr/include/asm-generic/unistd.h")),
    ],
)
def test_numbers_are_those_of_the_headers_of_the_kernel(machine: str, header: Path) -> None:
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    numbers = {name: int(number) for name, number in found}
    ours = {name: at for name, at in NUMBERS[machine].items() if name in numbers}
    assert len(ours) > 40
    assert ours == {name: numbers[name] for name in ours}


def test_another_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        filter_program("riscv64", network=NOTHING, tracing=True)
