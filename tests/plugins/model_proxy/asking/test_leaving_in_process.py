"""A program in the node's own process leaves a stream, from whichever task, or its node stops."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import ModelError, ask_model, stream_model
from tests.plugins.model_proxy.asking.asking import EVENT, TOGETHER, network, offers, serves

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

ASKED: dict[str, Any] = {"messages": []}
PAIR = {"home": [], "office": ["home"]}


class Endless:
    """An upstream that sends one event, and then waits until nobody listens any more."""

    def __init__(self) -> None:
        self.begun, self.gone = anyio.Event(), anyio.Event()

    async def answer(self, asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        self.begun.set()
        await asked.wait_gone()
        self.gone.set()


class Silent(Endless):
    """An upstream that says nothing until nobody listens any more."""

    async def answer(self, asked: Asked) -> None:
        self.begun.set()
        await asked.wait_gone()
        self.gone.set()


async def events_of(node: Node) -> AsyncIterator[dict[str, Any]]:
    async with stream_model(node, "m", ASKED) as events:
        async for event in events:
            yield event


async def test_a_generator_around_a_stream_is_closed_by_another_task(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    endless = Endless()
    async with (
        upstreaming(endless.answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        events: Any = events_of(nodes["home"])
        assert await anext(events)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(events.aclose)
            await endless.gone.wait()
        assert nodes["home"].reachable(nodes["office"].id)


async def test_a_generator_around_a_stream_may_be_abandoned(
    node_factory: NodeFactory, upstreaming: Upstreaming, anyio_backend_name: str
) -> None:
    endless = Endless()
    on_trio = anyio_backend_name == "trio"  # which warns of every generator that is abandoned
    async with (
        upstreaming(endless.answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        with pytest.warns(ResourceWarning) if on_trio else nullcontext():
            async for _ in events_of(nodes["home"]):
                break
            gc.collect()
        with anyio.fail_after(5):
            await endless.gone.wait()
        assert nodes["home"].reachable(nodes["office"].id)


async def test_a_block_is_left_while_another_task_waits_for_an_event(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    endless, raised = Endless(), []

    async def take(events: AsyncIterator[dict[str, Any]]) -> None:
        with pytest.raises(LocalProtocolError, match="was left") as caught:
            await anext(events)
        raised.append(caught.value)

    async with (
        upstreaming(endless.answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
        anyio.create_task_group() as tasks,
    ):
        async with stream_model(nodes["home"], "m", ASKED) as events:
            assert await anext(events)
            tasks.start_soon(take, events)
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(LocalProtocolError, match="was left"):
            await anext(events)
        with anyio.fail_after(5):
            await endless.gone.wait()
            await wait_until(lambda: raised)


async def test_a_block_that_is_left_at_once_leaves_nothing_behind(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(Endless().answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        async with stream_model(nodes["home"], "m", ASKED):
            pass
        with anyio.fail_after(5):
            await wait_until(lambda: not nodes["home"].exchanges.live)


@pytest.mark.parametrize("how", ["stream", "ask"])
async def test_the_asking_node_that_stops_is_the_one_that_is_named(
    how: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = Endless() if how == "stream" else Silent()
    raised: list[ModelError] = []

    async def stream(home: Node) -> None:
        async with stream_model(home, "office/m", ASKED) as events:
            async for _ in events:
                pass

    async def ask(home: Node) -> None:
        with pytest.raises(ModelError) as caught:
            await (stream(home) if how == "stream" else ask_model(home, "office/m", ASKED))
        raised.append(caught.value)

    async with upstreaming(upstream.answer) as up, anyio.create_task_group() as tasks:
        office = node_factory("office", built_in=TOGETHER, config=serves(up.base_url))
        home = node_factory("home", dials=["office"], built_in=TOGETHER)
        async with office:
            async with home:
                await wait_until(lambda: office.id in home.links and offers(home, "office"))
                tasks.start_soon(ask, home)
                await upstream.begun.wait()
            with anyio.fail_after(5):
                await wait_until(lambda: raised)
    told = raised[0]
    assert (told.status, told.code) == (503, "stopping")
    assert told.message.startswith("home: ")


async def test_a_node_that_has_stopped_streams_nothing(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(Endless().answer) as up:
        home = node_factory("home", built_in=("model-proxy",), config=serves(up.base_url))
        async with home:
            pass
        with anyio.fail_after(5), pytest.raises((ModelError, LocalProtocolError), match="home"):
            async with stream_model(home, "m", ASKED) as events:
                await anext(events)
    assert up.asked == []
