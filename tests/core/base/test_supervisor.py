"""Tests of the background work of a plugin."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import TASK_STATUS_IGNORED

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskStatus

pytestmark = pytest.mark.both_loops


class Faults(list[tuple[str, str]]):
    """What was reported: the exception's text and the task's name."""

    def __call__(self, error: Exception, name: str) -> None:
        self.append((str(error), name))


async def fail(message: str) -> None:
    raise ValueError(message)


class Resource:
    """Context managers that write down what happens to them."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @asynccontextmanager
    async def open(self, name: str, *, failing: str = "") -> AsyncIterator[str]:
        if failing == "enter":
            raise ValueError(name)
        self.log.append(f"+{name}")
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                yield name
                await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        finally:
            self.log.append(f"-{name}")
        if failing == "exit":
            raise ValueError(name)


@pytest.mark.anyio
async def test_a_failing_task_is_reported_and_touches_nothing_else() -> None:
    faults, other = Faults(), anyio.Event()

    async def sibling() -> None:
        await anyio.wait_all_tasks_blocked()
        other.set()

    async with Supervisor("mesh", faults) as scope:
        scope.start_soon(fail, "first", name="dial")
        scope.start_soon(fail, "second")
        scope.start_soon(sibling)
        await other.wait()
    assert sorted(faults) == [("first", "dial"), ("second", "fail")]


@pytest.mark.anyio
async def test_leaving_the_block_ends_the_tasks() -> None:
    faults, ended = Faults(), anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with Supervisor("mesh", faults) as scope:
        scope.start_soon(work)
        await anyio.wait_all_tasks_blocked()
    assert ended.is_set()
    assert faults == []


@pytest.mark.anyio
async def test_starting_returns_what_the_task_says_it_started_with() -> None:
    faults = Faults()

    async def serve(port: int, *, task_status: TaskStatus[int] = TASK_STATUS_IGNORED) -> None:
        task_status.started(port + 1)
        raise ValueError("later")

    async with Supervisor("http", faults) as scope:
        assert await scope.start(serve, 1, name="server") == 2
        await anyio.wait_all_tasks_blocked()
        assert faults == [("later", "server")]


@pytest.mark.anyio
async def test_a_failure_to_start_is_the_callers() -> None:
    faults = Faults()

    async def serve(*, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        raise OSError("in use")

    async with Supervisor("http", faults) as scope:
        with pytest.raises(OSError, match="in use"):
            await scope.start(serve)
    assert faults == []


@pytest.mark.anyio
async def test_context_managers_are_closed_in_reverse_after_the_tasks() -> None:
    faults, resource = Faults(), Resource()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            resource.log.append("-task")

    async with Supervisor("mesh", faults) as scope:
        assert await scope.enter(resource.open("a")) == "a"
        assert await scope.enter(resource.open("b")) == "b"
        scope.start_soon(work)
        await anyio.wait_all_tasks_blocked()
    assert resource.log == ["+a", "+b", "-task", "-b", "-a"]
    assert faults == []


@pytest.mark.anyio
async def test_entering_works_from_any_task_and_under_a_time_limit() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("mesh", faults) as scope:

        async def elsewhere() -> None:
            with anyio.fail_after(30):
                await scope.enter(resource.open("a"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(elsewhere)
        with anyio.fail_after(30):
            await scope.enter(resource.open("b"))
        await anyio.wait_all_tasks_blocked()
        assert resource.log == ["+a", "+b"]
    assert resource.log == ["+a", "+b", "-b", "-a"]


@pytest.mark.anyio
async def test_a_failure_to_enter_is_the_callers() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("mesh", faults) as scope:
        with pytest.raises(ValueError, match="a"):
            await scope.enter(resource.open("a", failing="enter"))
        await scope.enter(resource.open("b"))
    assert resource.log == ["+b", "-b"]
    assert faults == []


@pytest.mark.anyio
async def test_entering_that_takes_too_long_can_be_given_up() -> None:
    faults, log = Faults(), list[str]()

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        try:
            await anyio.sleep_forever()
            yield
        finally:
            log.append("undone")

    async with Supervisor("mesh", faults) as scope:
        with anyio.move_on_after(0.01):
            await scope.enter(slow())
        assert log == ["undone"]
    assert faults == []


@pytest.mark.anyio
async def test_a_failure_to_close_is_reported_and_the_rest_is_closed() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("mesh", faults) as scope:
        await scope.enter(resource.open("a"))
        await scope.enter(resource.open("b", failing="exit"), name="listener")
    assert resource.log == ["+a", "+b", "-b", "-a"]
    assert faults == [("b", "listener")]


@pytest.mark.anyio
async def test_a_context_manager_that_fails_on_its_own_is_reported() -> None:
    faults, left = Faults(), anyio.Event()

    @asynccontextmanager
    async def failing() -> AsyncIterator[anyio.Event]:
        trigger = anyio.Event()

        async def inner() -> None:
            await trigger.wait()
            raise ValueError("inside")

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(inner)
                yield trigger
        finally:
            left.set()

    async with Supervisor("mesh", faults) as scope:
        trigger = await scope.enter(failing(), name="server")
        trigger.set()
        await left.wait()
        await anyio.wait_all_tasks_blocked()
        assert [name for _, name in faults] == ["server"]


@pytest.mark.anyio
async def test_one_that_does_not_close_is_cancelled_and_named() -> None:
    faults, log = Faults(), list[str]()

    @asynccontextmanager
    async def stuck() -> AsyncIterator[None]:
        yield
        try:
            await anyio.sleep_forever()
        finally:
            log.append("given up")

    async with Supervisor("mesh", faults, grace=0.01) as scope:
        await scope.enter(stuck(), name="stuck")
    assert log == ["given up"]
    assert faults == [("not closed within 0.01 s", "stuck")]


@pytest.mark.anyio
async def test_cancelled_from_outside_it_still_closes_in_reverse() -> None:
    faults, resource = Faults(), Resource()
    with anyio.CancelScope() as outer:
        async with Supervisor("mesh", faults) as scope:
            await scope.enter(resource.open("a"))
            await scope.enter(resource.open("b"))
            scope.start_soon(anyio.sleep_forever)
            outer.cancel()
            await anyio.sleep_forever()
    assert outer.cancelled_caught
    assert resource.log == ["+a", "+b", "-b", "-a"]
    assert faults == []


@pytest.mark.anyio
async def test_cancel_ends_what_was_started_and_not_the_block() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("mesh", faults) as scope:
        await scope.enter(resource.open("a"))
        scope.start_soon(anyio.sleep_forever)
        assert repr(scope) == "<Supervisor mesh running, 1 open>"
        scope.cancel()
        await scope.wait_stopped()
        assert repr(scope) == "<Supervisor mesh stopped, 0 open>"
        assert resource.log == ["+a", "-a"]
        resource.log.append("still here")
    assert resource.log[-1] == "still here"


@pytest.mark.anyio
async def test_nothing_starts_once_it_is_stopping() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("mesh", faults) as scope:
        scope.cancel()
        scope.start_soon(fail, "never")
        with pytest.raises(LocalProtocolError, match="mesh is stopping"):
            await scope.start(fail, "never")
        with pytest.raises(LocalProtocolError):
            await scope.enter(resource.open("a"))
    scope.start_soon(fail, "never")
    assert faults == []


@pytest.mark.anyio
async def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    faults, resource = Faults(), Resource()

    async def block() -> None:
        async with Supervisor("mesh", faults) as scope:
            await scope.enter(resource.open("a"))
            scope.start_soon(anyio.sleep_forever)
            raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"):
        await block()
    assert resource.log == ["+a", "-a"]


@pytest.mark.anyio
async def test_a_fault_handler_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def bad(error: Exception, name: str) -> None:
        raise RuntimeError("handler")

    async with Supervisor("mesh", bad) as scope:
        scope.start_soon(fail, "x", name="dial")
        await anyio.wait_all_tasks_blocked()
    assert "reporting a fault of dial failed" in caplog.text


@pytest.mark.anyio
async def test_several_can_be_nested_and_ended_one_by_one() -> None:
    faults, resource = Faults(), Resource()
    async with Supervisor("one", faults) as one, Supervisor("two", faults) as two:
        await one.enter(resource.open("a"))
        await two.enter(resource.open("b"))
        one.cancel()
        await one.wait_stopped()
        await two.enter(resource.open("c"))
    assert resource.log == ["+a", "+b", "-a", "+c", "-c", "-b"]


def test_a_host_that_cancels_its_asyncio_task_gets_everything_closed() -> None:
    faults, resource = Faults(), Resource()

    async def host(running: asyncio.Event) -> None:
        async with Supervisor("mesh", faults) as scope:
            await scope.enter(resource.open("a"))
            await scope.enter(resource.open("b"))
            scope.start_soon(anyio.sleep_forever)
            running.set()
            await asyncio.Event().wait()

    async def main() -> None:
        running = asyncio.Event()
        task = asyncio.create_task(host(running))
        await running.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert resource.log == ["+a", "+b", "-b", "-a"]
    assert faults == []


@pytest.mark.anyio
async def test_a_manager_entered_in_the_moment_of_cancellation_is_left() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        events.append("entered")
        try:
            yield
        finally:
            events.append("left")

    with anyio.fail_after(5):
        async with Supervisor("x", lambda error, what: None) as supervisor:
            # However many turns of the loop the caller gets, what was entered is left.
            for turns in range(6):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(supervisor.enter, manager())
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
    assert events.count("entered") == events.count("left")


# --- handlers


async def handle(scope: anyio.CancelScope, log: list[str]) -> None:
    log.append("began")
    try:
        await anyio.sleep_forever()
    finally:
        log.append("ended")


@pytest.mark.anyio
async def test_a_handler_that_fails_is_reported_and_touches_no_other() -> None:
    faults, log, other = Faults(), list[str](), anyio.Event()

    async def failing(scope: anyio.CancelScope) -> None:
        raise ValueError("broken")

    async def sibling(scope: anyio.CancelScope) -> None:
        await anyio.wait_all_tasks_blocked()
        other.set()

    async with Supervisor("mesh", faults) as scope:
        assert scope.handle(failing, name="asked")
        assert scope.handle(sibling)
        await other.wait()
    assert faults == [("broken", "asked")]
    assert not scope.handle(handle, log)
    assert log == []


@pytest.mark.anyio
async def test_a_handler_ends_when_its_scope_is_cancelled_and_others_go_on() -> None:
    scopes: list[anyio.CancelScope] = []
    ended = anyio.Event()

    async def waiting(scope: anyio.CancelScope) -> None:
        scopes.append(scope)
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    log: list[str] = []
    async with Supervisor("mesh", Faults()) as scope:
        scope.handle(waiting)
        scope.handle(handle, log)
        await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        await ended.wait()
        await anyio.wait_all_tasks_blocked()
        assert log == ["began"]
    assert log == ["began", "ended"]


@pytest.mark.anyio
async def test_a_stop_ends_handlers_before_it_closes_what_they_use() -> None:
    resource = Resource()

    async def slow(scope: anyio.CancelScope) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            resource.log.append("handled")

    async with Supervisor("mesh", Faults()) as scope:
        await scope.enter(resource.open("socket"))
        scope.handle(slow, name="slow")
        await anyio.wait_all_tasks_blocked()
        assert scope.late == ()
        scope.cancel()
        assert "task slow" in scope.late
    assert resource.log == ["+socket", "handled", "-socket"]


@pytest.mark.anyio
async def test_a_handler_that_was_started_just_before_a_stop_is_cancelled() -> None:
    log: list[str] = []
    async with Supervisor("mesh", Faults()) as scope:
        scope.handle(handle, log)
        scope.cancel()
        with anyio.fail_after(10):
            await scope.wait_stopped()
    assert log in ([], ["began", "ended"])  # trio does not begin what is cancelled


@pytest.mark.anyio
async def test_handlers_end_where_the_block_is_cancelled_from_outside() -> None:
    log: list[str] = []
    with anyio.CancelScope() as outside:
        async with Supervisor("mesh", Faults()) as scope:
            scope.handle(handle, log)
            await anyio.wait_all_tasks_blocked()
            outside.cancel()
            await anyio.sleep_forever()
    assert log == ["began", "ended"]
