"""Malformed whole answers, and serving nodes that do not keep to the protocol."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import Offer, frame_types
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_http.outgoing import check_head
from clawmatrix_model_proxy.asking.attempt import CallAttempt
from clawmatrix_model_proxy.asking.client_sender import ClientSender
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.wire import REQUEST, Head
from tests.plugins.model_proxy.asking.asking import (
    ALONE,
    EVENT,
    NOWHERE,
    TOGETHER,
    Client,
    offers,
    request,
)
from tests.plugins.model_proxy.serving.serving import ask
from tests.plugins.model_proxy.test_converted import BODIES, CHAT, PATHS, SAID, chunk, sse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_core.wire.frames import Frame
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

KEY = "sk-a-key-that-nobody-may-see"
BIG = b'data: {"choices": [{"index": 0, "delta": {"content": "%b"}}]}\n\n' % (b"x" * 200_000)


def raw(data: bytes) -> Answer:
    """Return an upstream that answers with these bytes, and closes."""

    async def answer(asked: Asked) -> None:
        await asked.send(data)
        await asked.stream.aclose()

    return answer


def whole(body: bytes, type_: str = "application/json", more: str = "") -> Answer:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {type_}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return raw(head.encode() + body)


GOOD = b'{"choices": [{"index": 0, "message": {"content": "good"}, "finish_reason": "stop"}]}'
NONE = {
    "a page": whole(b"<html>sign in</html>", "text/html"),
    "half of it": whole(GOOD[:-20]),
    "nothing": whole(b""),
    "a list": whole(b"[]"),
    "no content": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "not modified": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "an error": whole(b'{"error": {"message": "full", "type": "overloaded_error"}}'),
    "an object that is an error": whole(b'{"object": "error", "message": "full", "code": 503}'),
    "an error that is no text": whole(b'{"object": "error", "message": "\xff"}'),
    "cut, of an old server": raw(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD[:-3]),
    "cut by its length": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + GOOD),
}


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("name", NONE)
async def test_what_is_no_answer_goes_to_the_next(
    client: str, name: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    path = PATHS[client]
    async with upstreaming(NONE[name]) as bad, upstreaming(whole(GOOD)) as good:
        models = [{"id": "m", "base_url": up.base_url} for up in (bad, good)]
        config = {"model-proxy": {"models": models}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            await asking.call(path, path, json.dumps(BODIES[client]).encode())
    assert (asking.status, len(good.asked)) == (200, 1)
    assert b"good" in asking.body


async def test_an_error_in_an_answer_has_the_status_it_amounts_to(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    wrong = whole(b'{"error": {"message": "bad tool", "type": "invalid_request_error"}}')
    async with upstreaming(wrong) as up:
        config = {"model-proxy": {"models": [{"id": "m", "base_url": up.base_url}]}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            await asking.ask(request())
    assert (asking.status, asking.error["message"]) == (400, "bad tool")


async def test_a_stream_by_another_name_is_one(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    body = b"".join([*SAID[CHAT], *sse(chunk(None, "stop"), "[DONE]")])
    async with upstreaming(whole(body, "text/plain; charset=utf-8")) as up:
        config = {"model-proxy": {"models": [{"id": "m", "base_url": up.base_url}]}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            await asking.ask(request(stream=True))
    assert asking.headers["content-type"] == "text/event-stream"
    assert asking.body == body


@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_that_an_upstream_repeats_is_seen_by_nobody(
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuses(asked: Asked) -> None:
        said = json.dumps({"error": {"message": f"no such key: {KEY}"}}).encode()
        await asked.answer(said, status=401)

    caplog.set_level("DEBUG")
    async with upstreaming(refuses) as up:
        model = {"id": "m", "base_url": up.base_url, "api_key": KEY}
        config = {"model-proxy": {"models": [model]}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            await asking.ask(request(stream=stream))
    assert asking.status == 401
    assert asking.error["message"] == "no such key: [key]"
    assert KEY.encode() in up.asked[0].head
    assert KEY not in caplog.text


# --- serving nodes


class Liar:
    """Offers the model ``m``, and answers with a head and a body of the test's choice.

    Where it has a failure, that comes behind the body; an endless answer has nothing there.
    """

    def __init__(
        self,
        head: Any,
        body: bytes,
        failure: ExchangeFailure | None = None,
        *,
        endless: bool = False,
    ) -> None:
        self._endless = endless
        self._head = head
        self._body = body
        self._failure = failure

    @hookimpl
    def register_offers(self) -> list[Offer]:
        """Offer a model."""
        return [Offer("models", lambda: [{"id": "m", "upstreams": 2}])]

    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        """Keep the scope."""
        self._scope = scope

    @hookimpl
    @frame_types(REQUEST)
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Answer."""
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, exchange: Exchange) -> None:
        async for _ in exchange:
            pass
        if self._endless:
            await exchange.send(self._head, self._body)
            await anyio.sleep_forever()
        if self._failure is not None:
            await exchange.send(self._head, self._body)
            raise self._failure
        await exchange.finish(self._head, self._body)


LIES: dict[str, tuple[Any, bytes]] = {
    "an error that is no JSON": (Head(503), b"<html>\r\n\r\ndata: x"),
    "an error that is a list": (Head(503), b"[1]"),
    "a redirection": (Head(302), b"{}"),
    "no content": (Head(204), b"HTTP/1.1 200 OK\r\n\r\n"),
    "no head": ({"status": "200"}, b"{}"),
    "a status of its own": (Head(999), b"{}"),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_node_that_lies_is_an_error_in_the_apis_shape(
    name: str, stream: bool, node_factory: NodeFactory
) -> None:
    head, body = LIES[name]
    liar = node_factory("liar", built_in=("mesh",), plugins=[Liar(head, body)])
    home = node_factory("home", dials=["liar"], built_in=TOGETHER)
    async with liar, home:
        await wait_until(lambda: offers(home, "liar"))
        asking = Client(home)
        await asking.ask(request(stream=stream))
    assert asking.status in (502, 503)
    assert isinstance(asking.error["message"], str)
    assert len(json.loads(asking.body)["tried"]) >= 2


async def test_half_an_event_of_a_node_that_fails_never_goes_out(
    node_factory: NodeFactory,
) -> None:
    head = Head(200, "text/event-stream")
    failure = ExchangeFailure("upstream_broke", "gone")
    liar = node_factory("liar", built_in=("mesh",), plugins=[Liar(head, EVENT + BIG[:-9], failure)])
    home = node_factory("home", dials=["liar"], built_in=TOGETHER)
    async with liar, home:
        await wait_until(lambda: offers(home, "liar"))
        asking = Client(home)
        await asking.ask(request(stream=True))
    assert asking.body.startswith(EVENT + b'data: {"error":')
    last = asking.body.removeprefix(EVENT + b"data: ")
    assert json.loads(last)["error"]["code"] == "upstream_broke"


async def test_nothing_is_said_behind_the_end() -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    client = ClientSender(send, lambda: 1000.0 * len(said))
    await client.write(b"data: 1\n\n")
    await client.finish()
    await client.keep_alive(1.0)
    await client.tick()
    assert [message.get("more_body") for message in said] == [None, True, False]


HEADS = {
    "a line break in a name": {"x-ratelimit-a\r\nset-cookie: b": "v"},
    "a space in a name": {"x-ratelimit-a b": "v"},
    "a colon in a name": {"x-ratelimit-a:": "v"},
    "a line break in a value": {"retry-after": "1\r\nset-cookie: b"},
    "thousands of them": {f"x-ratelimit-{number}": "v" for number in range(2000)},
}


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("name", HEADS)
async def test_a_header_that_a_node_made_up_is_left_out(
    name: str, status: int, node_factory: NodeFactory
) -> None:
    head = Head(status, "text/html\r\nset-cookie: b", "m\r\nset-cookie: b", -1e308, HEADS[name])
    liar = node_factory("liar", built_in=("mesh",), plugins=[Liar(head, GOOD)])
    home = node_factory("home", dials=["liar"], built_in=TOGETHER)
    async with liar, home:
        await wait_until(lambda: offers(home, "liar"))
        asking = Client(home)
        await asking.ask(request())
        assert home.counters["bad_header"] == 1
    assert asking.status == status
    check_head(asking.messages[0])
    assert len(asking.messages[0]["headers"]) < 50
    assert asking.headers["content-type"] == "application/json"
    assert b"set-cookie:" not in b"".join(name for name, _ in asking.messages[0]["headers"])


async def test_a_request_goes_from_memory_with_the_attempts_that_failed(
    node_factory: NodeFactory,
) -> None:
    config = {"model-proxy": {"models": [{"id": "m", "base_url": NOWHERE}]}}
    async with node_factory("home", built_in=ALONE, config=config) as node:
        gc.collect()
        gc.disable()  # what is in a circle stays until a collection
        try:
            asking = Client(node)
            await asking.ask(request())
            assert asking.status == 502
            assert not [one for one in gc.get_objects() if isinstance(one, CallAttempt)]
        finally:
            gc.enable()


@pytest.mark.parametrize("hold", ["9" * 309 + " tokens", "9" * 309 + "s", "\u0665s", "nan s"])
async def test_a_hold_header_that_is_none_is_refused_by_name(
    hold: str, node_factory: NodeFactory
) -> None:
    config = {"model-proxy": {"models": [{"id": "m", "base_url": NOWHERE}]}}
    async with node_factory("home", built_in=ALONE, config=config) as node:
        asking = Client(node)
        await asking.ask(request(), **{"x-clawmatrix-hold": hold})
    assert (asking.status, asking.error["param"]) == (400, "x-clawmatrix-hold")


@pytest.mark.parametrize("name", ["accept", "anthropic-beta", "x-clawmatrix-hold"])
async def test_a_header_that_is_too_long_is_refused_by_name(
    name: str, node_factory: NodeFactory
) -> None:
    config = {"model-proxy": {"models": [{"id": "m", "base_url": NOWHERE}]}}
    async with node_factory("home", built_in=ALONE, config=config) as node:
        asking = Client(node)
        await asking.ask(request(), **{name: "x" * 70_000})
    assert (asking.status, asking.error["param"]) == (400, name)


async def test_a_node_that_starts_is_busy_and_does_not_deny_its_models(
    node_factory: NodeFactory,
) -> None:
    early: list[ExchangeFailure] = []

    class Early:
        """Asks its own node before everything has started."""

        plugin_name = "mesh"  # which is loaded before the model proxy

        @hookimpl
        async def start_plugin(self, node: Node) -> None:
            """Ask."""
            try:
                await ask(node)
            except ExchangeFailure as failure:
                early.append(failure)

    config = {"model-proxy": {"models": [{"id": "m", "base_url": NOWHERE}]}}
    plugins = [Early(), ModelProxyPlugin()]
    async with node_factory("home", built_in=(), plugins=plugins, config=config):
        pass
    assert [failure.code for failure in early] == ["busy"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "held back"])
async def test_answers_of_one_node_that_never_end_leave_room_for_those_of_others(
    node_factory: NodeFactory, stream: bool
) -> None:
    held = Head(200, "text/event-stream" if stream else "application/json")
    liar = node_factory("liar", built_in=("mesh",), plugins=[Liar(held, EVENT + BIG, endless=True)])
    bounds = {"max_answer": 300_000, "max_answers": 600_000, "hold": "whole"}
    home = node_factory("home", dials=["liar"], built_in=TOGETHER, config={"model-proxy": bounds})
    async with liar, home, anyio.create_task_group() as tasks:
        await wait_until(lambda: offers(home, "liar"))
        crowd = [Client(home) for _ in range(5)]
        for one in crowd:
            tasks.start_soon(one.ask, request(stream=stream))
        await wait_until(lambda: sum(one.whole for one in crowd) == 4)
        for one in crowd:
            if one.whole:
                assert one.error["code"] == "answer_too_large"
                assert "max_answers" in one.error["message"]
        tasks.cancel_scope.cancel()
