"""The asking side on one node: what comes back, and what a failure looks like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, DONE, EVENT, Client, request, serves

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio


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


@pytest.mark.both_loops
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
        await asked.answer(said, status=429, retry_after="3600")

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert (client.status, client.body, client.headers["retry-after"]) == (429, said, "3600")


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


@pytest.mark.parametrize("api", ["openai-completions", "openai-responses", "anthropic-messages"])
async def test_what_traces_a_request_reaches_the_upstream(
    api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}", status=400)

    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    sent = {"traceparent": parent, "tracestate": "a=1", "x-request-id": "r7"}
    async with upstreaming(answer) as up:
        config = serves(up.base_url, model={"api": api})
        async with node_factory("home", built_in=ALONE, config=config) as node:
            body = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
            await Client(node).ask(body, **sent)
            bad = {**sent, "traceparent": "x" * 9000}
            await Client(node).ask(body, **bad)
    heads = [asked.head.decode().lower() for asked in up.asked]
    for name, value in sent.items():
        assert f"\r\n{name}: {value}\r\n" in heads[0]
    assert "trace" not in heads[1]
    assert "\r\nx-request-id: r7\r\n" in heads[1]
