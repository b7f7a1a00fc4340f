"""The asking side on a mesh: whom it asks, in which order, and nodes that go away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.model_proxy.asking.asking import (
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
    from clawmatrix_core.testing.fixtures import NodeFactory
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
    assert client.headers["x-clawmatrix-attempts"] == "3"
    assert (pinned.status, pinned.error["code"]) == (502, "upstream_unreachable")
    assert pinned.headers["x-clawmatrix-node"] == "a"
    assert len(up.asked) == 1


async def test_the_first_failure_and_all_that_was_tried_are_told_where_every_node_failed(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"error": {"message": "no such", "code": "gone"}}', status=404)

    async with (
        upstreaming(answer) as up,
        network(node_factory, STAR, {"a": NOWHERE, "b": up.base_url}) as nodes,
    ):
        client = Client(nodes["home"])
        await client.ask(request())
    assert (client.status, client.error["code"]) == (404, "gone")
    assert client.headers["x-clawmatrix-node"] == "b"
    assert client.headers["x-clawmatrix-attempts"] == "3"
    unreachable = {"node": "a", "upstream": 0, "fault": "connect upstream_unreachable"}
    gone = {"node": "b", "upstream": 0, "fault": "404 gone"}
    assert json.loads(client.body)["tried"] == [unreachable, unreachable, gone]


async def test_an_upstream_that_breaks_off_is_asked_once_more_and_then_the_next_node(
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
    assert (client.status, client.headers["x-clawmatrix-node"]) == (200, "b")
    assert (len(broken.asked), len(up.asked)) == (2, 1)


async def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    said = b'{"error": {"message": "no messages", "code": null}}'

    async def answer(asked: Asked) -> None:
        await asked.answer(said, status=400)

    async with (
        upstreaming(answer) as first,
        upstreaming(answer) as second,
        network(node_factory, STAR, {"a": first.base_url, "b": second.base_url}) as nodes,
    ):
        client = Client(nodes["home"])
        await client.ask(request())
    assert (client.status, client.body) == (400, said)
    assert (len(first.asked), len(second.asked)) == (1, 0)


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
    [model] = told["models"]
    assert (model["id"], model["description"]) == ("m", None)
    for node, name in zip(model["nodes"], "ab", strict=True):
        [upstream] = node.pop("upstreams")
        assert node == {
            "nodeId": name,
            "known": "linked",
            "reachable": True,
            "api": "openai-completions",
        }
        assert (upstream["breaker"], upstream["calls"]) == ("closed", 0)
