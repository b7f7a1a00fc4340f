"""Clients of the API without an HTTP server between, so that they run on trio too."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import anyio
import attrs
from starlette.requests import Request

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_http.api import HttpRoute
from clawmatrix_http.hookspecs import register_http_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.types import Message

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

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
        method, query: of its request.
    """

    node: Node
    leave: anyio.Event = attrs.field(factory=anyio.Event)
    messages: list[Message] = attrs.field(factory=list)
    on_body: Callable[[bytes], None] = lambda _: None
    method: str = "POST"
    query: bytes = b""

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
        [found] = [one for one in _routes_of(self.node) if one.path == route]
        headers = [(name.encode(), value.encode()) for name, value in params.items()]
        scope: dict[str, Any] = {"type": "http", "method": self.method, "path": path}
        scope |= {"headers": headers, "path_params": params, "query_string": self.query}
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

        if found.app is not None:
            await found.app(scope, receive, send)
        elif found.endpoint is not None:
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


_routes: WeakKeyDictionary[Node, list[HttpRoute]] = WeakKeyDictionary()


def _routes_of(node: Node) -> list[HttpRoute]:
    """Return the routes of a node's plugins, which are asked once, as the server does."""
    if node not in _routes:
        found = node.hooks.collect(register_http_routes, HttpRoute)
        _routes[node] = [route for _, route in found]
    return _routes[node]


def serves(base_url: str, *, model: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return the configuration of a node with one model; ``model`` has more of its keys."""
    served = {"id": "m", "base_url": base_url, **(model or {})}
    return {"model-proxy": {"models": [served], **more}}


def request(*, stream: bool = False, model: str = "m") -> dict[str, Any]:
    """Return a request."""
    return {"model": model, "stream": stream, "messages": []}


@asynccontextmanager
async def network(
    node_factory: NodeFactory,
    dials: dict[str, list[str]],
    served: dict[str, str],
    *,
    model: dict[str, Any] | None = None,
    **asking: Any,
) -> AsyncIterator[dict[str, Node]]:
    """Run nodes that all know each other's models; ``served`` has each one's upstream."""
    nodes: dict[str, Node] = {}
    async with AsyncExitStack() as stack:
        for name, to in dials.items():
            table = {"model-proxy": dict(asking)}
            if name in served:
                table = serves(served[name], model=model, **asking)
            node = node_factory(name, dials=to, built_in=TOGETHER, config=table)
            nodes[name] = await stack.enter_async_context(node)
            # One after the other, so that they are asked in this order.
            await wait_until(lambda: all(one.reachable(NodeId(name)) for one in nodes.values()))  # noqa: B023
        await wait_until(lambda: all(_knows(node, nodes, served) for node in nodes.values()))
        yield nodes


def _knows(node: Node, others: Iterable[str], serving: Iterable[str]) -> bool:
    """Say whether a node reaches all others and knows what they serve."""
    reached = all(node.reachable(NodeId(other)) for other in others)
    return reached and all(offers(node, other) for other in serving)


def offers(node: Node, other: str) -> bool:
    """Say whether a node knows what another serves."""
    peer = node.directory.get(NodeId(other))
    return peer is not None and bool(peer.record.offers.get("models"))
