"""Other processes, and what the kernel keeps about them, are out of a command's reach."""

from __future__ import annotations

import os
import platform
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.plugins.tool_proxy.exec.lab import PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

SECRET = "the secret of the node"


@pytest.fixture
def victim(lab: Lab) -> Iterator[int]:
    """Another process of the user that commands run as, with a secret in its environment."""
    argv = [*(lab.python_command or [PYTHON]), "-c", "print(flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, env={"TOKEN": SECRET}, cwd="/", **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")
        assert process.returncode == 0


async def test_the_environment_is_made_new(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWMATRIX_SECRET", SECRET)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    ran = await lab.run("/usr/bin/env", env={"PATH": "/bin", "LANG": "C", "CI": "1"})
    variables = dict(line.split("=", 1) for line in ran.out.splitlines())
    assert variables.keys() == {"PATH", "LANG", "CI", "HOME", "TMPDIR"}


async def test_no_descriptor_is_inherited(lab: Lab) -> None:
    ran = await lab.python("told(sorted(os.listdir('/proc/self/fd')))")
    assert ran.json == ["0", "1", "2", "3"]  # the last is the folder that is listed


async def test_a_command_has_no_privileges_and_gets_none(lab: Lab) -> None:
    ran = await lab.sh("cat /proc/self/status")
    status = dict(line.split(":\t", 1) for line in ran.out.splitlines() if ":\t" in line)
    assert {
        int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    } == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_the_filter_is_set_in_the_command_and_not_in_its_guard(lab: Lab) -> None:
    ran = await lab.sh("grep Seccomp: /proc/$PPID/status /proc/self/status")
    assert [line.split()[-1] for line in ran.out.splitlines()] == ["0", "2"]


async def test_what_is_known_of_other_processes_is_not_read(lab: Lab, victim: int) -> None:
    code = f"""
def look(pid):
    here = f"/proc/{{pid}}/"
    files = [tried(open, here + name, "rb") for name in ("environ", "mem", "maps", "auxv")]
    links = [tried(os.readlink, here + name) for name in ("root", "cwd", "exe", "fd/0")]
    opened = [tried(open, here + "fd/0", "rb"), tried(open, here + "root/etc/passwd", "rb")]
    return files + links + opened + [tried(os.listdir, here + name) for name in ("root/", "cwd/")]
told([look({victim}), look(os.getppid()), look({os.getpid()})])"""
    for found in (await lab.python(code)).json:
        assert set(found) <= {"EACCES", "EPERM"}


async def test_a_command_sees_its_own_in_proc(lab: Lab) -> None:
    ran = await lab.sh("grep -c TMPDIR /proc/self/environ; head -c 9 /proc/cpuinfo")
    assert ran.out == "1\nprocessor"


async def test_signals_reach_no_process_of_others(lab: Lab, victim: int) -> None:
    code = f"""
import signal
others = ({victim}, os.getppid(), {os.getpid()}, 1)
told([tried(os.kill, pid, number) for pid in others for number in (0, 9, 19)]
     + [tried(os.killpg, os.getpgid(os.getppid()), 9)])"""
    ran = await lab.python(code)
    assert ran.json == ["EPERM"] * 13
    assert ran.ended.exit == 0


async def test_a_signal_to_all_reaches_the_command_alone(lab: Lab, victim: int) -> None:
    ran = await lab.sh("sleep 100 & kill -9 -1; echo left")
    assert (ran.out, ran.ended.by) == ("left\n", "itself")
    os.kill(victim, 0)


async def test_other_processes_are_neither_traced_nor_limited(lab: Lab, victim: int) -> None:
    code = f"""
x86 = os.uname().machine == "x86_64"
ptrace, read, limit = (101, 310, 302) if x86 else (117, 270, 261)
zero = (ctypes.c_uint64 * 2)()
byte = ctypes.create_string_buffer(1)
span = (ctypes.c_uint64 * 2)(ctypes.addressof(byte), 1)
def attack(pid):
    return [
        call(ptrace, 16, pid, 0, 0), call(ptrace, 0x4206, pid, 0, 0),
        call(read, pid, span, 1, span, 1, 0), call(limit, pid, 7, zero, None),
        call(434, pid, 0) and call(438, call(434, pid, 0), 0, 0),
        tried(os.setpriority, 0, pid, 19), tried(os.sched_setaffinity, pid, [0]),
    ]
told([attack({victim}), attack(os.getppid()), attack({os.getpid()})])"""
    for found in (await lab.python(code)).json:
        assert set(found) <= {"EPERM", "EACCES", "ESRCH"}


async def test_priorities_of_all_processes_of_the_user_stay(lab: Lab, victim: int) -> None:
    code = """
ioprio = 251 if os.uname().machine == "x86_64" else 30
told([tried(os.setpriority, os.PRIO_USER, 0, 5), call(ioprio, 3, 0, 3 << 13),
      tried(os.setpriority, os.PRIO_PROCESS, 0, 5), call(ioprio, 1, 0, 3 << 13)])"""
    before = os.getpriority(os.PRIO_PROCESS, victim)
    assert (await lab.python(code)).json == ["EPERM", "EPERM", None, 0]
    assert os.getpriority(os.PRIO_PROCESS, victim) == before


async def test_a_signal_of_a_descriptor_reaches_no_process_of_others(lab: Lab, victim: int) -> None:
    code = f"""
import fcntl
F_SETOWN, F_SETSIG, F_NOTIFY, ON_CREATE = 8, 10, 1026, 4 | 0x80000000
for pid in ({victim}, os.getppid(), {os.getpid()}):
    reads, writes = os.pipe()
    folder = os.open(".", os.O_RDONLY)
    for descriptor in (reads, folder):
        fcntl.fcntl(descriptor, F_SETSIG, 9)
        fcntl.fcntl(descriptor, F_SETOWN, pid)
    fcntl.fcntl(reads, fcntl.F_SETFL, os.O_ASYNC)
    fcntl.fcntl(folder, F_NOTIFY, ON_CREATE)
    os.write(writes, b"x")
    open(f"new{{pid}}", "w").close()
print("survived")"""
    ran = await lab.python(code)
    assert (ran.out, ran.ended.by) == ("survived\n", "itself")
    os.kill(victim, 0)


async def test_the_log_of_the_kernel_is_not_read(lab: Lab) -> None:
    code = """
syslog = 103 if os.uname().machine == "x86_64" else 116
told([call(syslog, 3, ctypes.create_string_buffer(4096), 4096), call(syslog, 10, None, 0)])"""
    assert (await lab.python(code)).json == ["EPERM", "EPERM"]


async def test_keys_of_the_user_are_out_of_reach(lab: Lab) -> None:
    code = """
keyctl, add = (250, 248) if os.uname().machine == "x86_64" else (219, 217)
told([call(keyctl, 0, -4, 0), call(add, b"user", b"x", b"y", 1, -4), call(425, 1, None)])"""
    assert (await lab.python(code)).json == ["EPERM", "EPERM", "ENOSYS"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 and i386 are calls of x86_64")
async def test_calls_of_x32_and_of_i386_are_refused(lab: Lab) -> None:
    ran = await lab.python("told([call(0x40000000 | 41, 2, 1, 0), call(519, 0, 0, 0, 0, 0, 0)])")
    assert ran.json == ["ENOSYS", "ENOSYS"]
    code = """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000cd80c3"))  # getpid, as i386 asks for it
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print("survived")"""
    ran = await lab.python(code)
    assert ran.out == ""
    assert ran.ended.signal in (31, 11)  # by the filter, or by a kernel without i386


async def test_limits_hold(lab: Lab) -> None:
    code = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def grow(size):
    try:
        return len(bytearray(size))
    except MemoryError:
        return "no memory"
with open("big", "wb") as file:
    big = tried(file.write, bytes(3 << 20))
told([grow(256 << 20), big, os.path.getsize("big")])"""
    ran = await lab.python(
        f"import signal\nsignal.signal(25, 1)\n{code}", memory=128 << 20, file_size=1 << 20
    )
    assert ran.json == ["no memory", "EFBIG", 1 << 20]


async def test_a_file_that_grows_too_large_ends_a_command(lab: Lab) -> None:
    ran = await lab.sh("exec dd if=/dev/zero of=big bs=1M count=3", file_size=1 << 20)
    assert ran.ended.signal == 25
