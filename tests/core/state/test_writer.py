"""Writing soon: at most every so often, the newest value, and nothing lost at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core import (
    Clock,
    LocalProtocolError,
    MemoryState,
    Node,
    PluginScope,
    StateError,
    StateFolder,
    StateWriter,
    hookimpl,
)
from clawmatrix_core.testing.fixtures import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


class RecordingState(MemoryState):
    """State that remembers what was written, in which thread, and fails while it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, JSON]] = []
        self.threads: set[int] = set()
        self.full: set[str] = set()
        self.failures = 0

    def write(self, name: str, value: JSON) -> None:
        self.threads.add(threading.get_ident())
        if name in self.full:
            self.failures += 1
            raise StateError(f"{name}: the disk is full")
        super().write(name, value)
        self.written.append((name, value))


class Times:
    def __init__(self) -> None:
        self.now = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now)


@pytest.fixture
def state() -> RecordingState:
    return RecordingState()


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def writer(state: RecordingState, times: Times) -> StateWriter:
    return StateWriter(state, every=10, clock=times.clock)


async def test_the_first_change_is_written_and_then_the_newest_of_each_interval(
    writer: StateWriter, state: RecordingState, times: Times
) -> None:
    for now in range(25):
        times.now = now
        writer.write_soon("dice", now)
        await writer.write_due()
    assert state.written == [("dice", 0), ("dice", 10), ("dice", 20)]
    await writer.flush()
    assert state.written[3:] == [("dice", 24)]
    await writer.flush()
    assert len(state.written) == 4


async def test_one_name_does_not_wait_for_another(
    writer: StateWriter, state: RecordingState, times: Times
) -> None:
    writer.write_soon("dice", 1)
    await writer.write_due()
    times.now = 5
    writer.write_soon("dice", 2)
    writer.write_soon("cards", 1)
    await writer.write_due()
    assert state.written == [("dice", 1), ("cards", 1)]


async def test_it_is_written_in_a_thread_and_as_it_is_then(
    writer: StateWriter, state: RecordingState
) -> None:
    value = {"rolled": [1]}
    writer.write_soon("dice", value)
    value["rolled"].append(2)
    await writer.flush()
    value["rolled"].append(3)
    assert state.written == [("dice", {"rolled": [1, 2]})]
    assert threading.get_ident() not in state.threads


async def test_what_failed_is_kept_and_the_others_are_written(
    writer: StateWriter, state: RecordingState
) -> None:
    state.full = {"dice"}
    writer.write_soon("dice", 1)
    writer.write_soon("cards", 1)
    with pytest.raises(StateError, match="dice: the disk is full"):
        await writer.flush()
    assert state.written == [("cards", 1)]
    state.full = set()
    await writer.flush()
    assert state.written == [("cards", 1), ("dice", 1)]


@pytest.mark.parametrize(
    ("value", "error"),
    [(object(), TypeError), ("\ud800", ValueError)],
)
async def test_a_value_that_is_no_json_is_an_error_and_dropped(
    writer: StateWriter, state: RecordingState, value: Any, error: type[Exception]
) -> None:
    writer.write_soon("dice", value)
    with pytest.raises(error):
        await writer.flush()
    assert not writer.waiting
    await writer.flush()
    assert state.written == []


async def test_in_a_block_it_is_written_by_itself(state: RecordingState) -> None:
    async with StateWriter(state, every=0.01) as writer:
        for number in range(3):
            writer.write_soon("dice", number)
            await wait_until(lambda: state.written and state.written[-1] == ("dice", number))  # noqa: B023


async def test_a_failure_is_told_once_until_writing_works_again(state: RecordingState) -> None:
    told: list[str] = []

    def on_error(error: Exception, what: str) -> None:
        told.append(f"{what}: {error}")

    async with StateWriter(state, every=0.001, on_error=on_error) as writer:
        for number in (1, 2):
            state.failures, state.full = 0, {"dice"}
            writer.write_soon("dice", number)
            await wait_until(lambda: state.failures >= 3)
            state.full = set()
            await wait_until(lambda: ("dice", number) in state.written)  # noqa: B023
    assert told == ["writing dice to the state: dice: the disk is full"] * 2


async def test_each_name_is_told_once_whatever_becomes_of_others(state: RecordingState) -> None:
    told: list[str] = []
    state.full = {"dice", "cards"}
    async with StateWriter(
        state, every=0.001, on_error=lambda _, what: told.append(what)
    ) as writer:
        writer.write_soon("dice", 1)
        writer.write_soon("cards", 1)
        for number in range(5):
            state.failures = 0
            writer.write_soon("coins", number)
            await wait_until(lambda: state.failures >= 3 and state.read("coins") == number)  # noqa: B023
        state.full = set()
    assert sorted(told) == ["writing cards to the state", "writing dice to the state"]


async def test_a_last_write_that_fails_is_raised_where_the_block_ended_well(
    state: RecordingState,
) -> None:
    told: list[str] = []
    state.full = {"dice"}
    with pytest.raises(StateError, match="the disk is full"):
        async with StateWriter(state, on_error=lambda _, what: told.append(what)) as writer:
            writer.write_soon("dice", 1)
    assert told == ["writing dice to the state"]


async def test_a_last_write_that_fails_replaces_no_exception_of_the_block(
    state: RecordingState,
) -> None:
    told: list[str] = []
    state.full = {"dice"}

    async def fail() -> None:
        async with StateWriter(state, on_error=lambda _, what: told.append(what)) as writer:
            writer.write_soon("dice", 1)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert told == ["writing dice to the state"]


async def test_a_last_write_that_fails_replaces_no_cancellation(state: RecordingState) -> None:
    told: list[str] = []
    state.full = {"dice"}
    with anyio.CancelScope() as scope:
        async with StateWriter(state, on_error=lambda _, what: told.append(what)) as writer:
            writer.write_soon("dice", 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert told == ["writing dice to the state"]


async def test_without_a_function_for_errors_the_log_is_told(
    state: RecordingState, caplog: pytest.LogCaptureFixture
) -> None:
    state.full = {"dice"}
    async with StateWriter(state, every=60) as writer:
        writer.write_soon("dice", 1)
        await wait_until(lambda: caplog.messages)
        state.full = set()
    assert caplog.messages == ["writing dice to the state failed: dice: the disk is full"]
    assert state.written == [("dice", 1)]


async def test_leaving_writes_what_waits_although_it_is_cancelled(state: RecordingState) -> None:
    with anyio.CancelScope() as scope:
        async with StateWriter(state, every=3600) as writer:
            writer.write_soon("dice", 1)
            await writer.flush()
            writer.write_soon("dice", 2)
            scope.cancel()
            await anyio.sleep_forever()
    assert state.read("dice") == 2
    with pytest.raises(LocalProtocolError, match="dice is not written any more"):
        writer.write_soon("dice", 3)


async def test_what_the_block_raises_comes_out_as_it_is(state: RecordingState) -> None:
    async def fail() -> None:
        async with StateWriter(state, every=3600) as writer:
            writer.write_soon("dice", 1)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert state.read("dice") == 1


class DicePlugin:
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.writer = await scope.enter(StateWriter(node.state, on_error=scope.report))


async def test_a_node_that_stops_has_written_what_its_plugins_changed(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    plugin = DicePlugin()
    with StateFolder(tmp_path / "state") as folder:
        async with node_factory("office", plugins=[plugin], state=folder):
            for number in range(1000):
                plugin.writer.write_soon("dice", {"rolled": number})
        assert folder.read("dice") == {"rolled": 999}


@pytest.mark.faults_expected
async def test_a_plugin_whose_state_cannot_be_written_has_a_fault(
    node_factory: NodeFactory, state: RecordingState
) -> None:
    plugin = DicePlugin()
    async with node_factory("office", plugins=[plugin], state=state) as node:
        state.full = {"dice"}
        plugin.writer.write_soon("dice", 1)
    [info] = [info for info in node.plugins.list() if info.name == "DicePlugin"]
    assert info.faults >= 1
    assert "the disk is full" in str(info.last_fault)


class SlowState(RecordingState):
    """State whose writes wait until they are let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, name: str, value: JSON) -> None:
        self.begun.set()
        self.go_on.wait(10)
        super().write(name, value)


async def test_what_a_flush_could_not_write_is_tried_again_without_a_change() -> None:
    state = SlowState()
    state.full.add("dice")

    async def flush() -> None:
        with pytest.raises(StateError, match="full"):
            await slow.flush()

    async with StateWriter(state, every=0.02, on_error=lambda *_: None) as slow:
        async with anyio.create_task_group() as tasks:
            slow.write_soon("dice", 3)
            tasks.start_soon(flush)
            await wait_until(state.begun.is_set)
            await anyio.wait_all_tasks_blocked()  # the writer's own task has found nothing
            state.go_on.set()
        state.full.clear()
        await wait_until(lambda: state.written == [("dice", 3)])
