"""The asking side, over meshes in memory and upstreams on real sockets."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from starlette.requests import Request

from clawmatrix_core.frames import NodeId
from clawmatrix_core.testing import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.types import Message

    from clawmatrix_core.node import Node
    from clawmatrix_core.testing import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}\n\n'
DONE = b"data: [DONE]\n\n"
ALONE = ("model-proxy",)
TOGETHER = ("mesh", "relay", "model-proxy")
LINE = {"relay": [], "home": ["relay"], "office": ["relay"]}
STAR = {"home": [], "a": ["home"], "b": ["home"]}
NOWHERE = "http://127.0.0.1:1/v1"


@attrs.define
class Client:
    """A client of the API, as a server would present it.

    Attributes:
        leave: set it, and the client is gone.
        messages: what was sent to it.
    """

    node: Node
    leave: anyio.Event = attrs.field(factory=anyio.Event)
    messages: list[Message] = attrs.field(factory=list)
    on_body: Callable[[bytes], None] = lambda _: None

    async def ask(self, body: bytes | dict[str, Any], **headers: str) -> None:
        """Ask for a chat completion; return when it is answered, or the client left."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.call("/v1/chat/completions", "/v1/chat/completions", sent, **headers)

    async def get(self, path: str, **params: str) -> Any:
        """Return the JSON at a path; ``params`` are those within it."""
        await self.call(path, path, b"", **params)
        return json.loads(self.body)

    async def call(self, route: str, path: str, body: bytes, **params: str) -> None:
        """Call the endpoint of a route."""
        [found] = [r for r in self.node.http_routes() if r.path == route]
        headers = [(name.encode(), value.encode()) for name, value in params.items()]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path}
        scope |= {"headers": headers, "path_params": params}
        unread = [body]

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await self.leave.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.messages.append(message)
            if message["type"] == "http.response.body":
                self.on_body(message["body"])

        response = await found.endpoint(Request(scope, receive))
        await response(scope, receive, send)

    @property
    def status(self) -> int:
        """The status that was answered."""
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        """The headers that were answered."""
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The body that was answered."""
        return b"".join(m["body"] for m in self.messages[1:])

    @property
    def error(self) -> dict[str, Any]:
        """The error that was answered."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error

    @property
    def whole(self) -> bool:
        """True where the answer came to its end."""
        return bool(self.messages) and not self.messages[-1].get("more_body", False)


def serves(base_url: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a node with one model."""
    return {"model-proxy": {"models": [{"id": "m", "base_url": base_url}], **more}}


def request(*, stream: bool = False, model: str = "m") -> dict[str, Any]:
    """Return a request."""
    return {"model": model, "stream": stream, "messages": []}


@asynccontextmanager
async def network(
    node_factory: NodeFactory,
    dials: dict[str, list[str]],
    served: dict[str, str],
    **asking: Any,
) -> AsyncIterator[dict[str, Node]]:
    """Run nodes that all know each other's models; ``served`` has each one's upstream."""
    nodes: dict[str, Node] = {}
    async with AsyncExitStack() as stack:
        for name, to in dials.items():
            table = {"model-proxy": dict(asking)}
            if name in served:
                table = serves(served[name], **asking)
            node = node_factory(name, dials=to, built_in=TOGETHER, config=table)
            nodes[name] = await stack.enter_async_context(node)
        await wait_until(lambda: all(_knows(node, nodes, served) for node in nodes.values()))
        yield nodes


def _knows(node: Node, others: Iterable[str], serving: Iterable[str]) -> bool:
    """Say whether a node reaches all others and knows what they serve."""
    reached = all(node.reachable(NodeId(other)) for other in others)
    return reached and all(_offers(node, other) for other in serving)


def _offers(node: Node, other: str) -> bool:
    """Say whether a node knows what another serves."""
    peer = node.directory.get(NodeId(other))
    return peer is not None and bool(peer.record.offers.get("models"))


async def test_an_answer_says_who_gave_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": 1}', x_request_id="r7", set_cookie="x=1")

    async with upstreaming(answer) as up:
        config = serves(up.base_url)
        config["model-proxy"]["models"][0]["upstream_model"] = "m:1b"
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            await client.ask(request(), accept="application/json")
    assert (client.status, client.body, client.whole) == (200, b'{"id": 1}', True)
    headers = client.headers
    assert float(headers.pop("x-clawmatrix-overhead-ms")) >= 0
    assert headers == {
        "content-type": "application/json",
        "content-length": "9",
        "x-clawmatrix-node": "home",
        "x-clawmatrix-attempts": "1",
        "x-clawmatrix-upstream-model": "m:1b",
        "x-request-id": "r7",
    }
    assert b"accept: application/json" in up.asked[0].head.lower()


async def test_a_stream_passes_byte_for_byte(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in (b": hi\n\n", EVENT[:9], EVENT[9:], b'data: {"odd" : 1.0}\n\n', DONE):
            await asked.chunk(piece)
        await asked.end_stream()

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == b": hi\n\n" + EVENT + b'data: {"odd" : 1.0}\n\n' + DONE
    assert client.headers["content-type"] == "text/event-stream"
    assert client.headers["cache-control"] == "no-cache"
    assert "content-length" not in client.headers
    assert client.whole


async def test_until_the_first_byte_a_failure_is_an_http_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.stream.aclose()

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert (client.status, client.error["code"]) == (502, "upstream_broke")
    assert client.headers["content-type"] == "application/json"
    assert client.headers["x-clawmatrix-node"] == "home"


async def test_a_cut_stream_ends_in_an_error_event_and_never_in_done(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.chunk(EVENT[:40])
        await asked.stream.aclose()

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.status == 200
    assert client.body.startswith(EVENT + b'data: {"error":{')
    last = json.loads(client.body.removeprefix(EVENT).removeprefix(b"data: "))
    assert (last["error"]["type"], last["error"]["code"]) == ("upstream_error", "upstream_broke")
    assert b"[DONE]" not in client.body
    assert client.whole


async def test_silence_in_a_stream_ends_it_with_an_error_event(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.wait_gone()

    async with (
        upstreaming(answer) as up,
        node_factory(
            "home", built_in=ALONE, config=serves(up.base_url, idle_timeout="50ms")
        ) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert json.loads(client.body.removeprefix(EVENT)[6:])["error"]["code"] == "upstream_timeout"


async def test_an_error_of_the_upstreams_own_is_not_followed_by_another(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    own = b'data: {"error": {"message": "out of memory"}}\n\n'

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT + own)
        await asked.end_stream()

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == EVENT + own


async def test_half_an_answer_is_502_and_not_half_a_200(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.send(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"half": ')
        await asked.stream.aclose()

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request())
    assert (client.status, client.error["code"]) == (502, "upstream_broke")


async def test_an_answer_over_the_limit_is_an_error_that_names_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"x" * 3000)

    async with (
        upstreaming(answer) as up,
        node_factory(
            "home", built_in=ALONE, config=serves(up.base_url, max_answer="1 KiB")
        ) as node,
    ):
        client = Client(node)
        await client.ask(request())
    assert (client.status, client.error["code"]) == (502, "answer_too_large")
    assert "1024 bytes" in client.error["message"]


async def test_an_upstreams_error_passes_as_it_is(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    said = b'{"error": {"message": "slow down"}}'

    async def answer(asked: Asked) -> None:
        await asked.answer(said, status=429, retry_after="7")

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert (client.status, client.body, client.headers["retry-after"]) == (429, said, "7")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"no json", 400, None),
        (b"{}", 400, None),
        ({"model": "nothing"}, 404, "model_not_found"),
        ({"model": "home/nothing"}, 404, "model_not_found"),
    ],
)
async def test_a_request_that_goes_nowhere_is_answered_in_the_apis_shape(
    body: bytes | dict[str, Any], status: int, code: str | None, node_factory: NodeFactory
) -> None:
    async with node_factory("home", built_in=ALONE) as node:
        client = Client(node)
        await client.ask(body)
    assert (client.status, client.error["code"]) == (status, code)
    assert client.error["type"] == "invalid_request_error"


async def test_the_models_are_listed_and_each_can_be_looked_up(
    node_factory: NodeFactory,
) -> None:
    config = serves("http://127.0.0.1:1/v1")
    config["model-proxy"]["models"] += [
        {"id": "org/x", "base_url": "http://127.0.0.1:1/v1", "description": "words"}
    ]
    async with node_factory("home", built_in=ALONE, config=config) as node:
        listed = await Client(node).get("/v1/models")
        assert [entry["id"] for entry in listed["data"]] == ["m", "org/x", "home/m", "home/org/x"]
        assert listed["data"][1] == {
            "id": "org/x",
            "object": "model",
            "created": int(node.started_at),
            "owned_by": "home",
            "description": "words",
        }
        for entry in listed["data"]:
            one = Client(node)
            await one.call("/v1/models/{id:path}", "/", b"", id=entry["id"])
            assert json.loads(one.body) == entry
        missing = Client(node)
        await missing.call("/v1/models/{id:path}", "/", b"", id="nothing")
        assert missing.status == 404


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
            await wait_until(lambda: _offers(nodes["home"], "a"))
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
            await wait_until(lambda: _offers(home, "a"))
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
