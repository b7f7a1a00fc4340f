"""Tests of a node's life: what its plugins, its host and its state may do to it."""

from __future__ import annotations

import signal
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import (
    ConfigError,
    ExchangeFailure,
    LocalProtocolError,
    StartError,
    StateError,
)
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel import life
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

pytestmark = pytest.mark.anyio

OTHER = NodeId("other")


class Logged:
    """A plugin that writes down its life, and holds a context manager and a task."""

    def __init__(self, log: list[str], name: str = "plugin") -> None:
        self.log = log
        self.plugin_name = name

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.log.append(f"{self.plugin_name} starts")
        await scope.enter(self.held())
        await scope.start(self.task)
        await self.go_on(node)

    async def go_on(self, node: Node) -> None:
        """What a subclass does with what it has opened."""

    @hookimpl
    async def node_stopping(self) -> None:
        self.log.append(f"{self.plugin_name} hears of the stop")

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.log.append(f"{self.plugin_name} closed")

    async def task(self, *, task_status: Any) -> None:
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            self.log.append(f"{self.plugin_name} task ended")


class Fails(Logged):
    async def go_on(self, node: Node) -> None:
        raise LookupError("no upstream")


class Refuses(Logged):
    async def go_on(self, node: Node) -> None:
        raise StartError("the port is taken", exit_code=5)


class HangsInStart(Logged):
    def __init__(self, log: list[str], name: str = "plugin") -> None:
        super().__init__(log, name)
        self.reached = anyio.Event()

    async def go_on(self, node: Node) -> None:
        self.reached.set()
        await anyio.sleep_forever()


ENDED = ["plugin task ended", "plugin closed"]


def alone(
    node_factory: NodeFactory, *plugins: object, watchdog: bool = False, **options: Any
) -> Node:
    """Return a node without links."""
    return node_factory("home", built_in=(), plugins=plugins, watchdog=watchdog, **options)


@pytest.mark.both_loops
async def test_plugins_start_in_order_and_stop_in_reverse(node_factory: NodeFactory) -> None:
    log: list[str] = []
    async with alone(node_factory, Logged(log, "a"), Logged(log, "b")) as node:
        assert log == ["a starts", "b starts"]
        assert node.id == "home"
        log.clear()
    assert log == [
        "b hears of the stop",
        "a hears of the stop",
        "b task ended",
        "b closed",
        "a task ended",
        "a closed",
    ]


@pytest.mark.faults_expected
async def test_a_plugin_that_fails_to_start_is_out_and_the_node_is_up(
    node_factory: NodeFactory,
) -> None:
    log: list[str] = []
    async with alone(node_factory, Fails(log), Logged([], "good")) as node:
        await wait_until(lambda: log == ["plugin starts", *ENDED])
        failed, good = node.plugins.get("plugin"), node.plugins.get("good")
        assert failed is not None
        assert good is not None
        assert failed.state == "failed"
        assert failed.reason == "did not start: LookupError: no upstream"
        assert failed.faults == 1
        assert good.state == "active"
    assert "plugin hears of the stop" not in log


async def test_a_start_error_ends_the_start_and_everything_is_closed(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    log: list[str] = []
    config = {"state_dir": str(tmp_path / "state")}
    plugins = Logged(log, "first"), Refuses(log), Logged(log, "never")
    node = Node(
        Config.from_mapping({"node_id": "home", "secret": SECRET, **config}), plugins=plugins
    )
    with pytest.raises(StartError, match="the port is taken") as raised:
        async with node:
            log.append("up")
    assert raised.value.exit_code == 5
    assert log == [
        "first starts",
        "plugin starts",
        *ENDED,
        "first task ended",
        "first closed",
    ]
    async with alone(node_factory, state=None, config=config):
        pass  # the state folder is free again


@pytest.mark.faults_expected
async def test_a_start_that_hangs_is_bounded(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "START_LIMIT", 0.05)
    log: list[str] = []
    async with alone(node_factory, HangsInStart(log), Logged([], "good")) as node:
        info = node.plugins.get("plugin")
        assert info is not None
        assert info.reason == "did not start: Overrun: took over 0.05 s"
        await wait_until(lambda: log[1:] == ENDED)
        assert [each.name for each in node.plugins.active()] == ["good"]


@pytest.mark.both_loops
async def test_a_host_may_cancel_the_start(node_factory: NodeFactory) -> None:
    log: list[str] = []
    hangs = HangsInStart(log)
    never = Logged(log, "never")
    up = False

    async def run() -> None:
        nonlocal up
        async with alone(node_factory, hangs, never):
            up = True

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await hangs.reached.wait()
            tasks.cancel_scope.cancel()
    assert not up
    assert log == ["plugin starts", *ENDED]


async def test_the_start_can_be_cancelled_while_plugins_are_told_that_it_is_over(
    node_factory: NodeFactory,
) -> None:
    reached = anyio.Event()

    class Slow:
        @hookimpl
        async def node_started(self) -> None:
            reached.set()
            await anyio.sleep_forever()

    async def run() -> None:
        async with alone(node_factory, Slow()):
            pass

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await reached.wait()
            tasks.cancel_scope.cancel()


async def test_a_host_may_leave_under_a_cancelled_scope(node_factory: NodeFactory) -> None:
    log: list[str] = []
    with anyio.CancelScope() as scope:
        async with alone(node_factory, Logged(log)):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert log == ["plugin starts", "plugin hears of the stop", *ENDED]


@pytest.mark.parametrize("error", [LookupError("mine"), SystemExit(3), KeyboardInterrupt()])
async def test_what_the_host_raises_comes_out_as_it_is(
    node_factory: NodeFactory, error: BaseException
) -> None:
    log: list[str] = []
    with pytest.raises(type(error)) as raised:
        async with alone(node_factory, Logged(log)):
            raise error
    assert raised.value is error
    assert log[-2:] == ENDED


async def test_a_fault_of_the_core_itself_ends_the_node_and_reaches_the_host(
    node_factory: NodeFactory,
) -> None:
    broken = False

    def now() -> float:
        if broken:
            raise OSError("the clock stopped")
        return anyio.current_time()

    log: list[str] = []
    with pytest.RaisesGroup(OSError), anyio.fail_after(10):
        async with alone(node_factory, Logged(log), clock=Clock(now=now)) as node:
            broken = True
            node._interior.routing.changed()
            await node.wait_stop()
    assert log[-2:] == ENDED


async def test_a_mistake_in_the_configuration_is_raised(node_factory: NodeFactory) -> None:
    with pytest.raises(ConfigError, match="mesh"):
        async with alone(node_factory, config={"meesh": {}}):
            pass


@pytest.mark.both_loops
async def test_stop_ends_the_node_and_wakes_the_host(node_factory: NodeFactory) -> None:
    log: list[str] = []
    async with alone(node_factory, Logged(log)) as node:
        node.stop()
        await node.wait_stop()
        await wait_until(lambda: log[-2:] == ENDED)


async def test_a_node_is_entered_once(node_factory: NodeFactory) -> None:
    node = alone(node_factory)
    assert repr(node) == "<Node home not started>"
    async with node:
        assert repr(node) == "<Node home epoch 1, 0 links>"
    with pytest.raises(LocalProtocolError, match="once"):
        async with node:
            pass


async def test_nodes_share_nothing_and_touch_no_signal(node_factory: NodeFactory) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    one, two = alone(node_factory), alone(node_factory)
    async with one, two:
        assert one.plugins.manager is not two.plugins.manager
        assert one.instance != two.instance
        assert one.identity != two.identity
        after = {number: signal.getsignal(number) for number in signal.valid_signals()}
    if threading.current_thread() is threading.main_thread():
        # Trio itself takes SIGINT for the time of a run, before any node is there.
        assert after == before


async def test_a_restart_with_the_same_state_counts_on(node_factory: NodeFactory) -> None:
    state = MemoryState()
    async with alone(node_factory, state=state) as first:
        pass
    async with alone(node_factory, state=state) as second:
        pass
    assert (first.epoch, second.epoch) == (1, 2)
    assert first.identity == second.identity
    assert first.instance != second.instance


async def test_a_state_folder_is_one_nodes_at_a_time(tmp_path: Path) -> None:
    raw = {"node_id": "home", "secret": SECRET, "state_dir": str(tmp_path)}
    config = Config.from_mapping(raw)
    async with Node(config, plugins=[]):
        with pytest.raises(StateError, match="in use"):
            async with Node(config, plugins=[]):
                pass
    async with Node(config, plugins=[]) as again:
        assert again.epoch == 2


# --- talking


class Echo:
    def __init__(self) -> None:
        self.scope: PluginScope | None = None

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("echo")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        assert self.scope is not None
        return node.accept(frame, self.handle, self.scope)

    async def handle(self, ex: Exchange) -> None:
        await ex.finish(ex.request)


class AsksAtTheEnd:
    def __init__(self) -> None:
        self.refusal: ExchangeFailure | None = None

    @hookimpl
    async def node_stopping(self, node: Node) -> None:
        try:
            async with node.exchange(node.id, "echo", 1, complete=True) as ex:
                await ex.receive()
        except ExchangeFailure as failure:
            self.refusal = failure


async def test_a_node_can_talk_to_itself(node_factory: NodeFactory) -> None:
    async with alone(node_factory, Echo()) as node:
        assert node.reachable(node.id)
        assert not node.reachable(OTHER)
        async with node.exchange("home", "echo", {"a": 1}, complete=True) as ex:
            assert await ex.receive() == {"a": 1}


async def test_what_no_plugin_knows_is_refused(node_factory: NodeFactory) -> None:
    async with alone(node_factory) as node:
        with pytest.raises(ExchangeFailure, match="no 'echo'") as raised:
            async with node.exchange("home", "echo", complete=True) as ex:
                await ex.receive()
    assert raised.value.code == "unknown_type"
    assert not raised.value.may_have_begun
    assert node.counters["unknown_type"] == 1


async def test_a_node_that_stops_takes_nothing_new(node_factory: NodeFactory) -> None:
    asks = AsksAtTheEnd()
    async with alone(node_factory, Echo(), asks):
        pass
    assert asks.refusal is not None
    assert asks.refusal.code == "stopping"
    assert not asks.refusal.may_have_begun


@pytest.mark.parametrize("to", ["home", OTHER])
async def test_a_node_that_has_stopped_asks_nobody(node_factory: NodeFactory, to: NodeId) -> None:
    async with alone(node_factory, Echo()) as node:
        pass
    with anyio.fail_after(1), pytest.raises(ExchangeFailure, match="stopped") as raised:
        async with node.exchange(to, "echo", 1) as ex:
            await ex.receive()
    assert raised.value.code == "stopping"
    assert not raised.value.may_have_begun
    assert not node.exchanges.live
