"""The processes of a command: however they began, nothing is left of them at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.acceptance.network import until
from clawmatrix_tool_proxy.exec.cgroups import usable_cgroup
from clawmatrix_tool_proxy.exec.commands import GuardLost, run_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

GONE = 1.0
"""Seconds in which a tree of processes has to be gone."""

# Each writes the ids of all its processes into files of the root, then waits.
ESCAPES = {
    "a child": "sleep 1000 & echo $! > pid; echo up; wait",
    "a group of its own": "setsid sleep 1000 & sleep 0; echo $! > pid; echo up; wait",
    "an orphan in a session": "(setsid sh -c 'echo $$ > pid; echo up; exec sleep 1000' &);"
    " sleep 999",
    "deaf to signals": "trap '' TERM INT HUP; (trap '' TERM; sleep 1000 & echo $! > pid; wait) &"
    " sleep 0.1; echo up; sleep 1000",
    "stopped": "sleep 1000 & echo $! > pid; kill -STOP $!; echo up; kill -STOP $$",
}
ESCAPED = pytest.mark.parametrize("escape", ESCAPES.values(), ids=list(ESCAPES))


async def test_how_a_command_ended_is_told_exactly(lab: Lab) -> None:
    assert (await lab.sh("exit 7")).ended.exit == 7
    killed = (await lab.sh("kill -SEGV $$")).ended
    assert (killed.exit, killed.signal, killed.by) == (None, signal.SIGSEGV, "itself")
    assert 0.2 < (await lab.sh("sleep 0.2")).ended.seconds < 10


async def test_output_and_errors_come_apart_and_are_counted(lab: Lab) -> None:
    ran = await lab.sh("echo out; echo error >&2; echo again; printf '\\0\\377' | wc -c")
    assert (ran.out, ran.err) == ("out\nagain\n2\n", "error\n")
    assert (ran.ended.stdout, ran.ended.stderr) == (12, 6)


async def test_input_reaches_a_command(lab: Lab) -> None:
    assert (await lab.run("/bin/cat", stdin=b"x" * 1_000_000)).ended.stdout == 1_000_000
    assert (await lab.run("/bin/cat")).out == ""
    assert (await lab.run("/bin/true", stdin=b"x" * 1_000_000)).ended.exit == 0
    assert (await lab.sh("readlink /proc/self/fd/0")).out == "/dev/null\n"


@ESCAPED
async def test_nothing_is_left_when_a_command_is_cancelled(lab: Lab, escape: str) -> None:
    async with _running(lab, escape) as pid:
        began = time.monotonic()
    assert not _is_alive(pid)
    assert time.monotonic() - began < GONE


@ESCAPED
async def test_nothing_is_left_at_the_limit(lab: Lab, escape: str) -> None:
    ran = await lab.sh(escape, timeout=1.0)
    assert (ran.out, ran.ended.by, ran.ended.signal) == ("up\n", "limit", signal.SIGKILL)
    assert not _is_alive(_pid(lab))


async def test_nothing_is_left_when_a_command_ends(lab: Lab) -> None:
    orphan = "(setsid sh -c 'sleep 1000 & echo $! > pid; wait' &)"
    ran = await lab.sh(f"{orphan}; until [ -s pid ]; do :; done")
    assert (ran.ended.exit, ran.ended.by) == (0, "itself")
    assert not _is_alive(_pid(lab))


@pytest.mark.bound("clawmatrix_tool_proxy.exec.config.PROCESSES")
async def test_a_fork_loop_is_held_to_its_number_and_ended(lab: Lab) -> None:
    code = """
import time
made, end = 0, time.monotonic() + 1
while made < 400 and time.monotonic() < end:
    try:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
    except OSError:
        break
print(made)"""
    ran = await lab.python(code, processes=40, timeout=20.0)
    assert 30 <= int(ran.out) <= 40


async def test_a_fork_bomb_ends_at_the_limit_of_time(lab: Lab) -> None:
    # Nine generations at most: a confinement that does not hold fills no machine.
    bomb = "b() { [ $1 = 0 ] || { b $(($1 - 1)) & b $(($1 - 1)) & wait; }; sleep 100; }; b 9"
    ran = await lab.sh(bomb, processes=60, timeout=1.0)
    assert ran.ended.by == "limit"
    assert _processes(lab) == []


async def test_a_guard_that_collects_children_looks_up_now_and_then() -> None:
    ran = await anyio.run_process([sys.executable, "-c", MANY_CHILDREN])
    assert ran.stdout.split(b"\n")[:2] == [b"True True None", b"False False 1792"]


async def test_siblings_that_a_command_makes_do_not_outlive_it(lab: Lab) -> None:
    # Made with CLONE_PARENT, a process is a child of the guard at once.
    code = """
made = call(56 if os.uname().machine == "x86_64" else 220, 0x8000 | 17, 0, 0, 0, 0)
if made == 0:
    os.setsid()
    open("pid", "w").write(str(os.getpid()))
    os.execv("/bin/sleep", ["sleep", "1000"])
while not os.path.exists("pid"):
    pass"""
    ran = await lab.python(code)
    assert (ran.ended.exit, ran.ended.by) == (0, "itself")
    assert not _is_alive(_pid(lab))


async def test_a_flood_of_output_is_taken_at_the_speed_of_its_reader(lab: Lab) -> None:
    seen = 0

    async def slowly(_: str, data: bytes) -> None:
        nonlocal seen
        seen += len(data)
        if seen > 4 << 20:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await run_command(lab.guards, lab.job("/usr/bin/yes"), slowly)
    assert seen < 8 << 20
    assert _processes(lab) == []


async def test_a_reader_that_stands_still_holds_the_command(lab: Lab) -> None:
    pids = []

    async def still(_: str, __: bytes) -> None:
        pids.append(_pid(lab))
        await until(lambda: not _is_alive(pids[0]), "the end of the command")

    script = "echo $$ > pid; while head -c 65536 /dev/zero; do echo >> written; done"
    ended = await run_command(lab.guards, lab.job("/bin/sh", "-c", script, timeout=1.0), still)
    assert (ended.by, ended.exit) == ("limit", None)
    assert len((lab.root / "written").read_text()) < 20


async def test_a_guard_that_is_killed_takes_its_command_along(lab: Lab) -> None:
    with pytest.RaisesGroup(GuardLost):
        async with _running(lab, ESCAPES["an orphan in a session"]) as pid:
            os.kill(_guard_of(pid), signal.SIGKILL)
            await anyio.sleep_forever()
    await until(lambda: not _is_alive(pid), "the end of the process")
    await until(lambda: _processes(lab) == [], "the end of all processes")


@pytest.mark.skipif(usable_cgroup() is None, reason="the environment tells without a cgroup")
async def test_what_a_killed_guard_left_is_found_by_its_cgroup(own_lab: Lab) -> None:
    orphan = "(setsid env -i sh -c 'echo $$ > pid; echo up; exec sleep 1000' &); sleep 999"
    with pytest.RaisesGroup(GuardLost):
        async with _running(own_lab, orphan) as pid:
            os.kill(_guard_of(pid), signal.SIGKILL)
            await anyio.sleep_forever()
    assert not _is_alive(pid)


async def test_a_guard_that_was_stopped_goes_on_to_its_end(lab: Lab) -> None:
    async with _running(lab, ESCAPES["a child"]) as pid:
        os.kill(_guard_of(pid), signal.SIGSTOP)
    await until(lambda: not _is_alive(pid), "the end of the process")
    await until(lambda: _processes(lab) == [], "the end of all processes")


async def test_a_guard_that_is_asked_to_end_ends_its_command(lab: Lab) -> None:
    async def output(_: str, __: bytes) -> None:
        os.kill(_guard_of(_pid(lab)), signal.SIGTERM)

    job = lab.job("/bin/sh", "-c", ESCAPES["a child"])
    ended = await run_command(lab.guards, job, output)
    assert (ended.by, ended.signal) == ("guard ended", signal.SIGKILL)
    assert not _is_alive(_pid(lab))


async def test_a_guard_survives_that_nobody_hears_it(lab: Lab) -> None:
    guard = lab.guards.take()
    job = lab.job("/bin/sh", "-c", ESCAPES["an orphan in a session"])
    await guard.send(job.to_json())
    await until(lambda: _pid(lab), "the command")
    pid = _pid(lab)
    guard.close_all()
    await guard.gone()
    assert not _is_alive(pid)
    assert _is_gone(job.private)


async def test_nothing_is_left_when_the_node_is_killed(lab: Lab) -> None:
    job = lab.job("/bin/sh", "-c", ESCAPES["an orphan in a session"])
    node = await anyio.open_process(
        [sys.executable, "-c", NODE, repr(lab.python_command), repr(job)], stderr=None
    )
    async with node:
        await until(lambda: _pid(lab), "the command")
        pid = _pid(lab)
        guard = _guard_of(pid)
        began = time.monotonic()
        node.kill()
        await node.wait()
        await until(lambda: not _is_alive(pid) and not _is_alive(guard), "the end of the tree")
    assert time.monotonic() - began < GONE
    assert _is_gone(job.private)


async def test_a_spare_guard_ends_with_its_node(own_lab: Lab) -> None:
    node = await anyio.open_process([sys.executable, "-c", SPARE], stderr=None)
    async with node:
        assert node.stdout is not None
        guard = int(await node.stdout.receive())
        assert _is_alive(guard)
        node.kill()
        await until(lambda: not _is_alive(guard), "the end of the guard")


async def test_a_spare_guard_takes_the_next_command(own_lab: Lab) -> None:
    guards = own_lab.guards
    guards.spare = True
    guards.prepare()
    ran = await own_lab.sh("echo $PPID; readlink /proc/self/fd/0")
    first = int(ran.out.split()[0])
    second = int((await own_lab.sh("echo $PPID")).out)
    assert first != second
    await guards.close()
    assert not _is_alive(first)
    assert not _is_alive(second)


async def test_a_spare_guard_that_was_killed_is_replaced(own_lab: Lab) -> None:
    guards = own_lab.guards
    guards.spare = True
    guards.prepare()
    spare = guards.take()
    os.kill(spare.pid, signal.SIGKILL)
    await spare.gone()
    assert (await own_lab.sh("echo yes")).out == "yes\n"
    await guards.close()


NODE = """
import anyio, sys
from clawmatrix_tool_proxy.exec.commands import run_command
from clawmatrix_tool_proxy.exec.guarding.job import Job, Network, Place
from clawmatrix_tool_proxy.exec.guards import Guards
async def output(name, data): pass
async def main():
    guards, job = Guards(eval(sys.argv[1])), eval(sys.argv[2])
    await run_command(guards, job, output)
anyio.run(main)
"""
MANY_CHILDREN = """
import os
from clawmatrix_tool_proxy.exec.guarding.tree import Tree
children = [os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {}) for _ in range(300)]
for pid in children:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
tree = Tree(children[-1])
for _ in range(2):
    print(tree.reap(), tree.more, tree.status)
"""
SPARE = """
import sys
from clawmatrix_tool_proxy.exec.guards import Guards
guards = Guards(spare=True)
guards.prepare()
print(guards._waiting.pid, flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def _running(lab: Lab, script: str) -> AsyncIterator[int]:
    """Run a script; give the process that it wrote down, and cancel it at the end."""
    up = anyio.Event()

    async def output(_: str, __: bytes) -> None:
        up.set()

    async def work() -> None:
        await run_command(lab.guards, lab.job("/bin/sh", "-c", script), output)

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await up.wait()
        await until(lambda: _pid(lab), "a process")
        yield _pid(lab)
        group.cancel_scope.cancel()


def _pid(lab: Lab) -> int:
    """Return the process that a script wrote down; 0 before it did."""
    with suppress(OSError, ValueError):
        return int((lab.root / "pid").read_text())
    return 0


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _is_gone(path: str) -> bool:
    return not Path(path).exists()


def _guard_of(pid: int) -> int:
    """Return the guard that a process of a command is below."""
    while b"guard.py" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def _processes(lab: Lab) -> list[str]:
    """Return the processes that have the root of the lab as their folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == lab.root and _is_alive(int(process.name)):
                found.append(process.name)
    return found
