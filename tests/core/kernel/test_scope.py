"""Tests of the scope a plugin runs in; the supervisor it is has tests of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.kernel.scope import PluginScope

if TYPE_CHECKING:
    from clawmatrix_core.base.faults import Fault


@pytest.mark.anyio
async def test_a_task_that_raises_is_a_fault_of_the_plugin_and_its_siblings_go_on() -> None:
    faults: list[Fault] = []
    failed, survived = anyio.Event(), anyio.Event()

    async def fail() -> None:
        failed.set()
        raise LookupError("nothing here")

    async def go_on() -> None:
        await failed.wait()
        await anyio.wait_all_tasks_blocked()
        survived.set()

    async with PluginScope("echo", faults.append) as scope:
        assert scope.plugin == "echo"
        scope.start_soon(fail, name="listener")
        scope.start_soon(go_on)
        await survived.wait()
    [fault] = faults
    assert (fault.plugin, str(fault)) == ("echo", "listener: LookupError: nothing here")


@pytest.mark.anyio
async def test_what_a_handler_reports_is_a_fault_of_the_plugin() -> None:
    faults: list[Fault] = []
    async with PluginScope("echo", faults.append) as scope:
        scope.report(KeyError("x"), "echo handler")
    assert [(fault.plugin, fault.hook) for fault in faults] == [("echo", "echo handler")]
