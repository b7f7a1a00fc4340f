"""Tests of a node's links and routes, with the plugins that make them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import MeshFactory, NodeFactory, wait_until
from clawmatrix_core.testing.memory import MemoryTransport
from clawmatrix_core.wire.routes import Route
from clawmatrix_core.wire.transport import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.transport import Transport

pytestmark = pytest.mark.anyio

OTHER = NodeId("other")
VIRTUAL_TIME = pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["virtual"]
)


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


async def test_without_another_plugin_the_mesh_reaches_its_neighbours(mesh: MeshFactory) -> None:
    async with mesh({"a": [], "b": ["a"]}, built_in=("mesh",)) as nodes:
        a, b = nodes["a"], nodes["b"]
        await wait_until(lambda: a.routes.keys() == {"b"})
        status = await b.path_status(a.id)
        assert status.status == "direct"
        assert (await b.path_status(OTHER)).status == "unreachable"


async def test_routes_of_a_plugin_that_knows_more_win(node_factory: NodeFactory) -> None:
    class Knows:
        @hookimpl
        def compute_routes(self, node: Node) -> Mapping[NodeId, Route]:
            return {OTHER: Route(OTHER, 1.0, 1)}

    async with alone(node_factory, Knows()) as node:
        node.compute_routes()
        assert node.routes == {OTHER: Route(OTHER, 1.0, 1)}


async def test_frames_pass_through_a_relay(mesh: MeshFactory) -> None:
    dials = {"relay": [], "home": ["relay"], "office": ["relay"]}
    async with mesh(dials, plugins=[Echo]) as nodes:
        home, relay = nodes["home"], nodes["relay"]
        async with home.exchange("office", "echo", "hello", complete=True) as ex:
            assert await ex.receive() == "hello"
        assert relay.counters["relayed"] > 0
        assert home.heard.keys() == {"relay", "office"}
        assert home.routes[NodeId("office")].next_hop == "relay"
        assert (await home.path_status(NodeId("office"), probe=True)).status == "relay"


class EchoesBytes(Echo):
    async def handle(self, ex: Exchange) -> None:
        async for chunk in ex:
            await ex.send(chunk)


async def test_more_than_a_link_holds_gets_through(mesh: MeshFactory) -> None:
    sent = bytes(range(256)) * 1024
    received: list[bytes] = []

    async def ask(node: Node) -> None:
        async with node.exchange("b", "echo") as ex, anyio.create_task_group() as tasks:
            tasks.start_soon(ex.finish, sent)
            received.append(b"".join([chunk async for chunk in ex]))

    pair = mesh({"a": [], "b": ["a"]}, plugins=[EchoesBytes])
    async with pair as nodes, anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(ask, nodes["a"])
    assert all(answer == sent for answer in received)
    assert len(received) == 40


class Stuck(Connection):
    """A connection that takes nothing more once its transport says so."""

    def __init__(self, inner: Connection, transport: StuckTransport) -> None:
        self.remote = inner.remote
        self._inner = inner
        self._transport = transport

    async def send(self, message: bytes) -> None:
        if self._transport.stuck:
            await anyio.sleep_forever()
        await self._inner.send(message)

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._inner.close(code, reason)


class StuckTransport(MemoryTransport):
    schemes = ("stuck",)
    stuck = False

    async def dial(self, address: str) -> Connection:
        return Stuck(await super().dial(address.replace("stuck", "memory")), self)


class HasTransport:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @hookimpl
    def register_transports(self) -> list[Transport]:
        return [self.transport]


@VIRTUAL_TIME
async def test_a_link_that_takes_nothing_is_closed(node_factory: NodeFactory) -> None:
    transport = StuckTransport(node_factory.hub)
    config = {"mesh": {"peers": ["stuck://a"], "heartbeat": "1h"}}
    a = node_factory("a", watchdog=False, config={"mesh": {"heartbeat": "1h"}})
    b = node_factory("b", plugins=[HasTransport(transport)], watchdog=False, config=config)
    async with a, b:
        await wait_until(lambda: b.links)
        transport.stuck = True
        async with b.exchange("a", "echo", complete=True):
            await wait_until(lambda: not b.links, limit=30)
        assert b.counters["stalled"] == 1


async def test_a_node_that_comes_back_is_known_again(node_factory: NodeFactory) -> None:
    state = MemoryState()
    async with node_factory("a", plugins=[Echo]) as a:
        for _ in range(2):
            async with node_factory("b", dials=["a"], plugins=[Echo], state=state):
                await wait_until(partial(a.reachable, NodeId("b")))
                async with a.exchange("b", "echo", 1, complete=True) as ex:
                    assert await ex.receive() == 1
            await wait_until(lambda: not a.links)


class Listens:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @hookimpl
    async def link_opened(self, link: Link) -> None:
        self.heard.append(f"link to {link.peer}")

    @hookimpl
    async def link_closed(self, link: Link, reason: str) -> None:
        self.heard.append(f"no link to {link.peer}")


async def test_links_come_and_go_in_order(node_factory: NodeFactory) -> None:
    listens, state = Listens(), MemoryState()
    async with node_factory("a", plugins=[listens]):
        for _ in range(2):
            async with node_factory("b", dials=["a"], state=state) as b:
                await wait_until(partial(b.reachable, NodeId("a")))
            await wait_until(lambda: listens.heard[-1:] == ["no link to b"])
    assert listens.heard == ["link to b", "no link to b"] * 2


def alone(
    node_factory: NodeFactory, *plugins: object, watchdog: bool = False, **options: Any
) -> Node:
    """Return a node without links."""
    return node_factory("home", built_in=(), plugins=plugins, watchdog=watchdog, **options)


# --- the end


class Holds(Echo):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.release = anyio.Event(), anyio.Event()

    async def handle(self, ex: Exchange) -> None:
        self.asked.set()
        await self.release.wait()
        await ex.finish("late")


class FinishesFirst:
    """Sees its request through before the node stops."""

    def __init__(self, holds: Holds) -> None:
        self.holds = holds
        self.answers: list[object] = []
        self.answered = anyio.Event()

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        scope.start_soon(self.ask, node)

    async def ask(self, node: Node) -> None:
        async with node.exchange("a", "echo", complete=True) as ex:
            self.answers.append(await ex.receive())
        self.answered.set()

    @hookimpl
    async def node_stopping(self) -> None:
        self.holds.release.set()
        await self.answered.wait()


async def test_what_is_under_way_can_end_while_plugins_hear_of_the_stop(
    node_factory: NodeFactory,
) -> None:
    holds = Holds()
    finishes = FinishesFirst(holds)
    async with node_factory("a", plugins=[holds]):
        async with node_factory("b", dials=["a"], plugins=[finishes]):
            await holds.asked.wait()
        assert finishes.answers == ["late"]


async def test_those_who_wait_for_a_node_that_stops_are_told(node_factory: NodeFactory) -> None:
    holds = Holds()
    failures: list[ExchangeFailure] = []

    async def ask(a: Node) -> None:
        with pytest.raises(ExchangeFailure) as raised:
            async with a.exchange("b", "echo", complete=True) as ex:
                await ex.receive()
        failures.append(raised.value)

    async with node_factory("a") as a, anyio.create_task_group() as tasks:
        async with node_factory("b", dials=["a"], plugins=[holds]):
            tasks.start_soon(ask, a)
            await holds.asked.wait()
        await wait_until(lambda: failures)
    assert failures[0].code == "stopping"
