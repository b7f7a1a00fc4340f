"""The asking side on a mesh: whom it asks, in which order, and nodes that go away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.frames import NodeId
from clawmatrix_core.testing import wait_until
from tests.plugins.model_proxy.asking import (
    EVENT,
    LINE,
    NOWHERE,
    STAR,
    Client,
    network,
    offers,
    request,
)

if TYPE_CHECKING:
    from clawmatrix_core.testing import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("streams", [False, True])
async def test_a_client_that_leaves_closes_the_upstream_over_two_hops(
    streams: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    begun, gone = anyio.Event(), anyio.Event()

    async def answer(asked: Asked) -> None:
        if streams:
            await asked.begin_stream()
            await asked.chunk(EVENT)
        begun.set()
        await asked.wait_gone()
        gone.set()

    async with (
        upstreaming(answer) as up,
        network(node_factory, LINE, {"office": up.base_url}) as nodes,
        anyio.create_task_group() as tasks,
    ):
        client = Client(nodes["home"])
        tasks.start_soon(client.ask, request(stream=streams))
        await begun.wait()
        if streams:
            await wait_until(lambda: client.messages)
        client.leave.set()
        with anyio.fail_after(5):
            await gone.wait()
    assert not client.whole


async def test_the_next_node_is_asked_where_nothing_had_begun(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    async with (
        upstreaming(answer) as up,
        network(node_factory, STAR, {"a": NOWHERE, "b": up.base_url}) as nodes,
    ):
        client, pinned = Client(nodes["home"]), Client(nodes["home"])
        await client.ask(request())
        await pinned.ask(request(model="a/m"))
    assert client.status == 200
    assert client.headers["x-clawmatrix-node"] == "b"
    assert client.headers["x-clawmatrix-attempts"] == "2"
    assert (pinned.status, pinned.error["code"]) == (502, "upstream_unreachable")
    assert pinned.headers["x-clawmatrix-node"] == "a"
    assert len(up.asked) == 1


async def test_the_last_failure_is_told_where_every_node_failed(
    node_factory: NodeFactory,
) -> None:
    async with network(node_factory, STAR, {"a": NOWHERE, "b": NOWHERE}) as nodes:
        client = Client(nodes["home"])
        await client.ask(request())
    assert (client.status, client.error["code"]) == (502, "upstream_unreachable")
    assert client.headers["x-clawmatrix-attempts"] == "2"


async def test_what_may_have_begun_is_not_asked_of_another(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.stream.aclose()

    async def other(asked: Asked) -> None:
        await asked.answer(b"{}")

    async with (
        upstreaming(answer) as broken,
        upstreaming(other) as up,
        network(node_factory, STAR, {"a": broken.base_url, "b": up.base_url}) as nodes,
    ):
        client = Client(nodes["home"])
        await client.ask(request())
    assert (client.status, client.error["code"]) == (502, "upstream_broke")
    assert up.asked == []


async def test_the_configured_nodes_are_asked_in_order_and_no_other(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    async with (
        upstreaming(answer) as up,
        network(node_factory, STAR, {"a": up.base_url, "b": up.base_url}, nodes=["b"]) as nodes,
    ):
        client, other = Client(nodes["home"]), Client(nodes["home"])
        await client.ask(request())
        await other.ask(request(model="a/m"))
        listed = await Client(nodes["home"]).get("/v1/models")
    assert client.headers["x-clawmatrix-node"] == "b"
    assert other.status == 404
    assert [entry["id"] for entry in listed["data"]] == ["m", "b/m"]


async def test_a_node_that_stops_in_a_stream_ends_it_with_an_error_event(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.wait_gone()

    async with (
        upstreaming(answer) as up,
        anyio.create_task_group() as tasks,
        network(node_factory, {"home": []}, {}) as nodes,
    ):
        async with network(node_factory, {"a": ["home"]}, {"a": up.base_url}):
            await wait_until(lambda: offers(nodes["home"], "a"))
            client = Client(nodes["home"])
            tasks.start_soon(client.ask, request(stream=True, model="a/m"))
            await wait_until(lambda: client.messages)
        await wait_until(lambda: client.whole)
    assert client.body.startswith(EVENT + b'data: {"error":{')
    assert b"[DONE]" not in client.body


async def test_a_model_whose_nodes_are_gone_is_502(
    node_factory: NodeFactory,
) -> None:
    async with network(node_factory, {"home": []}, {}) as nodes:
        home = nodes["home"]
        async with network(node_factory, {"a": ["home"]}, {"a": NOWHERE}):
            await wait_until(lambda: home.reachable(NodeId("a")))
            await wait_until(lambda: offers(home, "a"))
        await wait_until(lambda: not home.reachable(NodeId("a")))
        client, pinned = Client(home), Client(home)
        await client.ask(request())
        await pinned.ask(request(model="a/m"))
        listed = await Client(home).get("/v1/models")
    for asked in (client, pinned):
        assert (asked.status, asked.error["code"]) == (502, "node_unreachable")
    assert listed["data"] == []


async def test_the_control_method_tells_who_serves_what(node_factory: NodeFactory) -> None:
    async with network(node_factory, STAR, {"a": NOWHERE, "b": NOWHERE}) as nodes:
        [method] = [m for m in nodes["home"].control_methods() if m.name == "models"]
        assert method.call is not None
        told = await method.call({})
    each = {"reachable": True, "api": "openai-completions"}
    nodes_told = [{"nodeId": "a", **each}, {"nodeId": "b", **each}]
    assert told == {"models": [{"id": "m", "description": None, "nodes": nodes_told}]}
