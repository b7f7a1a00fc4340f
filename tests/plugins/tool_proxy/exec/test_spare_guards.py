"""A spare guard prepares what needs no job, and tidies up once the result is out."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.acceptance.network import until
from clawmatrix_tool_proxy.exec import guards as module
from clawmatrix_tool_proxy.exec.cgroups import usable_cgroup
from clawmatrix_tool_proxy.exec.guarding.private import remove_folder
from clawmatrix_tool_proxy.exec.guards import Guards

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guard_process import GuardProcess
    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/ns").exists(), reason="looks into /proc"),
]

FORKS = """
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


async def prepared(lab: Lab) -> GuardProcess:
    """Have the guards of a lab one that waits; return it once it has prepared everything."""
    group = None if lab.ordinary else usable_cgroup()
    lab.guards = Guards(lab.python_command, spare=True, cgroup=group)
    lab.guards.prepare()
    spare = lab.guards._waiting
    assert spare is not None
    await until(lambda: waiting_process(spare), "the process that waits")
    return spare


def waiting_process(guard: GuardProcess) -> int:
    """Return the process below a guard, once it is in its cgroup and waits; else 0."""
    assert guard.prepared is not None
    children = Path(f"/proc/{guard.pid}/task/{guard.pid}/children").read_text().split()
    if not children or "S" not in Path(f"/proc/{children[0]}/stat").read_text().split()[2]:
        return 0
    if guard.prepared.cgroup is None:
        return int(children[0])
    return int((Path(guard.prepared.cgroup) / "cgroup.procs").read_text().strip() or 0)


def is_there(pid: int) -> bool:
    """Say whether a process is there."""
    return Path(f"/proc/{pid}").exists()


def folders(guard: GuardProcess) -> list[str]:
    """Return those of a guard's folders that are there."""
    assert guard.prepared is not None
    return [path for path in guard.prepared if path is not None and os.path.exists(path)]


async def test_the_process_that_waits_becomes_the_command(lab: Lab) -> None:
    spare = await prepared(lab)
    waiting = waiting_process(spare)
    assert (await lab.sh("echo $$; echo > $HOME/a")).out == f"{waiting}\n"
    assert folders(spare) == []
    await lab.guards.close()


async def test_a_command_of_a_spare_guard_is_held_to_its_number(lab: Lab) -> None:
    await prepared(lab)
    ran = await lab.python(FORKS, processes=40, timeout=20.0)
    assert 30 <= int(ran.out) <= 40
    await lab.guards.close()


async def test_a_spare_guard_goes_with_its_process_and_folders(lab: Lab) -> None:
    spare = await prepared(lab)
    waiting = waiting_process(spare)
    assert folders(spare)
    await lab.guards.close()
    assert folders(spare) == []
    assert not is_there(waiting)


async def test_another_process_waits_where_one_was_killed(lab: Lab) -> None:
    os.kill(waiting_process(await prepared(lab)), signal.SIGKILL)
    assert (await lab.sh("echo yes")).out == "yes\n"
    await lab.guards.close()


async def test_nothing_is_left_of_a_spare_guard_that_was_killed(lab: Lab) -> None:
    spare = await prepared(lab)
    waiting = waiting_process(spare)
    os.kill(spare.pid, signal.SIGKILL)
    await until(lambda: not is_there(waiting), "the end of its process")
    assert (await lab.sh("echo yes")).out == "yes\n"
    assert folders(spare) == []
    await lab.guards.close()


async def test_a_private_folder_that_somebody_tidied_away_is_made_again(lab: Lab) -> None:
    spare = await prepared(lab)
    assert spare.prepared is not None
    remove_folder(spare.prepared.private)
    assert (await lab.sh("echo yes > $HOME/a; cat $HOME/a")).out == "yes\n"
    assert folders(spare) == []
    await lab.guards.close()


async def test_guards_tidy_up_behind_their_results(lab: Lab) -> None:
    spare = await prepared(lab)
    async with lab.guards:
        assert (await lab.sh("echo yes")).out == "yes\n"
    assert folders(spare) == []
    assert spare.gone_already()


@pytest.mark.bound("clawmatrix_tool_proxy.exec.guards.TIDYING")
async def test_a_result_waits_where_too_many_guards_tidy_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIDYING", 0)
    spare = await prepared(lab)
    async with lab.guards:
        await lab.sh("echo yes")
        assert folders(spare) == []


async def test_a_private_folder_in_another_place_than_the_job_wants_is_not_used(lab: Lab) -> None:
    spare = await prepared(lab)
    job = lab.job("/bin/sh", "-c", "echo $HOME")
    wanted = lab.base / "folders"
    wanted.mkdir()
    lab.own(wanted)
    private = str(wanted / "private")
    ran = await lab.do(job._replace(private=private))
    assert ran.out == f"{private}/home\n"
    assert folders(spare) == []
    assert os.listdir(wanted) == []
    await lab.guards.close()
