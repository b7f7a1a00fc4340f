"""The tests of commands bite: with each bug planted in the guard, those named for it fail."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_tool_proxy.exec import guard_process
from tests.plugins.tool_proxy.exec import test_files, test_own_files, test_processes, test_reach
from tests.plugins.tool_proxy.exec.lab import laboratory
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

Check = partial[Any]
PLUGINS = Path(guard_process.__file__).parents[2]

# The program of a guard runs on its own: the bug comes in between its import and its start.
GUARD = """
import os, sys
sys.path.append({plugins!r})
from clawmatrix_tool_proxy.exec.guarding import child, filter_program, main, mounts, own, running
from clawmatrix_tool_proxy.exec.guarding import seccomp, tree
{bug}
os._exit(main.main())
"""

GROUP_ONLY = """
def end(self):
    os.killpg(self._command, 9)
    os.waitpid(self._command, 0)
tree.Tree.end = end
"""
IN_THE_GUARD = """
start = running.Command._start
def with_filter(self):
    told = start(self)
    seccomp.set_filter(network="nothing", tracing=True)
    return told
running.Command._start = with_filter
"""
BY_PATH = """
def search(self, place):
    for path in self.paths:
        if path.startswith(place) and os.path.exists(path):
            found = os.lstat(path)
            yield own.Hidden(path, (found.st_dev, found.st_ino))
made = own.Own.__init__
def keeping_paths(self, paths, *more):
    self.paths = tuple(paths)
    made(self, self.paths, *more)
own.Own.__init__, own.Own.search = keeping_paths, search
own.Own.below = lambda self, place: ()
"""
ABOVE_IS_FREE = "mounts.View._hold_in_place = lambda self, hidden: None"
ANY_MODE = "filter_program._Calls.modes = lambda self: []"


def over(test: Callable[..., Awaitable[None]], *arguments: object, **made_of: Any) -> Check:
    """Return a test that wants a lab, or what ``made_of`` makes of one."""
    return partial(_checked, test, arguments, made_of)


async def _checked(
    test: Callable[..., Awaitable[None]],
    arguments: tuple[object, ...],
    made_of: dict[str, Callable[[Lab], Lab]],
    lab: Lab,
    patience: float,
) -> None:
    made = {name: make(lab) for name, make in made_of.items()} or {"lab": lab}
    with anyio.fail_after(patience):
        await test(*made.values(), *arguments)


ORPHAN = test_processes.ESCAPES["an orphan in a session"]
HOLDER = {"holder": test_own_files.with_own_files}


@attrs.frozen
class Plant:
    """A bug in the guard, and the named tests that must fail with it."""

    bug: str
    caught_by: tuple[Check, ...]


PLANTS = {
    "kill of the group only": Plant(
        GROUP_ONLY,
        (
            over(test_processes.test_nothing_is_left_when_a_command_is_cancelled, ORPHAN),
            over(test_processes.test_nothing_is_left_at_the_limit, ORPHAN),
            over(test_processes.test_nothing_is_left_when_a_command_ends),
        ),
    ),
    "filter set in the guard": Plant(
        IN_THE_GUARD,
        (over(test_reach.test_the_filter_is_set_in_the_command_and_not_in_its_guard),),
    ),
    "own folders by path": Plant(
        BY_PATH,
        (
            over(test_own_files.test_another_name_of_a_configuration_is_covered_too, **HOLDER),
            over(test_own_files.test_own_files_are_known_by_whatever_path_leads_to_them),
        ),
    ),
    "folders above own files move": Plant(
        ABOVE_IS_FREE, (over(test_own_files.test_folders_above_own_files_are_not_moved, **HOLDER),)
    ),
    "files of any mode": Plant(
        ANY_MODE, (over(test_files.test_a_command_leaves_no_file_that_runs_as_its_owner),)
    ),
}


@pytest.mark.parametrize("name", ["no bug", *PLANTS])
async def test_a_planted_bug_is_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plants = [PLANTS[name]] if name in PLANTS else list(PLANTS.values())
    bug = PLANTS[name].bug if name in PLANTS else ""
    program = tmp_path / "guard.py"
    program.write_text(GUARD.format(plugins=str(PLUGINS), bug=bug))
    monkeypatch.setattr(guard_process, "_PROGRAM", program)
    for plant in plants:
        for check in plant.caught_by:
            with laboratory("this user") as lab:
                try:
                    patience = 3.0 if bug else 30.0  # what a bug left holds the streams open
                    assert await fails(partial(check, lab, patience)) == bool(bug)
                finally:
                    _end_what_was_left(lab)


def _end_what_was_left(lab: Lab) -> None:
    with suppress(OSError, ValueError):
        os.kill(int((lab.root / "pid").read_text()), signal.SIGKILL)
