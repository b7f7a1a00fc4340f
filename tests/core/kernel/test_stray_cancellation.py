"""Plugins that let out a ``CancelledError`` which nobody asked of them; asyncio only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]

STRAY = "StrayCancellation: let out the cancellation of something that it awaited"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def await_something_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    await task


class InAnEvent:
    @hookimpl
    async def peer_changed(self) -> None:
        await await_something_cancelled()


class AtTheStart:
    @hookimpl
    async def start_plugin(self) -> None:
        await await_something_cancelled()


class InATask:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(await_something_cancelled)


class InAHandler:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("stray")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        return node.accept(frame, self.handle, self.scope)

    async def handle(self, ex: Exchange) -> None:
        await await_something_cancelled()


def last_fault(node: Node, plugin: type) -> str | None:
    info = node.plugins.get(plugin.__name__)
    assert info is not None
    return info.last_fault


async def test_an_event_hook_does_not_end_the_events_of_all(node_factory: NodeFactory) -> None:
    relay = node_factory("relay", plugins=[InAnEvent])
    a, b = node_factory("a", dials=["relay"]), node_factory("b", dials=["relay"])
    async with relay, a, b:
        await wait_until(lambda: a.reachable(b.id))
        assert last_fault(relay, InAnEvent) == f"peer_changed: {STRAY}"
        assert relay.links.keys() == {"a", "b"}


async def test_a_start_takes_only_its_own_plugin_out(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[AtTheStart]) as node:
        info = node.plugins.get("AtTheStart")
        assert info is not None
        assert (info.state, info.reason) == ("failed", f"did not start: {STRAY}")
        assert node.reachable(node.id)


async def test_a_task_is_a_fault_and_ends_alone(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[InATask]) as node:
        await wait_until(lambda: last_fault(node, InATask) is not None)
        assert last_fault(node, InATask) == f"await_something_cancelled: {STRAY}"
        await anyio.lowlevel.checkpoint()


async def test_a_handler_answers_with_an_error(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[InAHandler]) as node:
        with pytest.raises(ExchangeFailure, match="the handler failed"):
            async with node.exchange(node.id, "stray", complete=True) as ex:
                await ex.receive()
        assert last_fault(node, InAHandler) == f"stray handler: {STRAY}"


async def test_a_cancellation_of_the_nodes_own_is_no_fault(node_factory: NodeFactory) -> None:
    class Waits:
        @hookimpl
        async def start_plugin(self, scope: PluginScope) -> None:
            scope.start_soon(anyio.sleep_forever)

    async with node_factory("a", plugins=[Waits]) as node:
        pass
    assert last_fault(node, Waits) is None
