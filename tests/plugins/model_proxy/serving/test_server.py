"""The serving side, over real exchanges and real sockets, on asyncio and trio."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx2
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.wire import REQUEST, Opening
from tests.plugins.model_proxy.serving.serving import BODY, DONE, EVENT, ask, ask_code, model

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.kernel.node import Node
    from tests.plugins.model_proxy.conftest import Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio


async def test_the_request_reaches_the_upstream_and_only_its_model_is_another(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": 1}')

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url, upstream_model="m:1b", api_key="secret-key")]) as node,
    ):
        head, body = await ask(node)
    [asked] = up.asked
    assert asked.body == b'{"model":"m:1b","messages":[ ],"temperature":1.50}'
    assert asked.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    headers = asked.head.lower()
    assert b"authorization: bearer secret-key" in headers
    assert b"accept-encoding: identity" in headers
    assert (head.status, head.content_type, head.upstream_model) == (
        200,
        "application/json",
        "m:1b",
    )
    assert head.upstream_ms > 0
    assert body == b'{"id": 1}'


async def test_a_request_that_names_the_upstreams_model_stays_byte_for_byte(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    sent = b' {"messages": [\t], "model":"m" }\n'
    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        await ask(node, sent)
        await ask(node, sent, opening=Opening("chat", "m", accept="application/x-thing"))
    assert [asked.body for asked in up.asked] == [sent, sent]
    assert b"authorization" not in up.asked[0].head.lower()
    assert b"accept: application/x-thing" in up.asked[1].head.lower()


async def test_large_requests_and_answers_arrive_whole(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    big = json.dumps({"model": "m", "messages": "x" * 1_000_000}).encode()

    async def answer(asked: Asked) -> None:
        await asked.answer(asked.body)

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        _, body = await ask(node, big)
    assert body == big


@pytest.mark.both_loops
async def test_a_stream_passes_byte_for_byte(serving: Serving, upstreaming: Upstreaming) -> None:
    pieces = [b": hi\n\n", EVENT[:30], EVENT[30:] + EVENT, b'data: {"odd" : 1.0}\r\n\r\n', DONE]

    async def answer(asked: Asked) -> None:
        await asked.begin_stream(type_="text/event-stream; charset=utf-8")
        for piece in pieces:
            await asked.chunk(piece)
        await asked.end_stream()

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        head, body = await ask(node, stream=True)
    assert head.content_type == "text/event-stream; charset=utf-8"
    assert body == b"".join(pieces)


async def test_a_stream_comes_as_it_is_made(serving: Serving, upstreaming: Upstreaming) -> None:
    go_on = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await go_on.wait()
        await asked.chunk(DONE)
        await asked.end_stream()

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url)]) as node,
        node.exchange(node.id, REQUEST, Opening("chat", "m", True)) as exchange,
    ):
        await exchange.finish(BODY)
        await exchange.receive()
        assert await exchange.receive() == EVENT
        go_on.set()
        assert await exchange.receive() == DONE


async def test_a_compressed_answer_is_opened_although_it_was_not_asked_for(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(gzip.compress(b'{"id": 1}'), content_encoding="gzip")

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        assert (await ask(node))[1] == b'{"id": 1}'


async def test_an_upstreams_error_passes_with_what_clients_act_on(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    said = b'{"error": {"message": "slow down", "type": "rate_limit"}}'

    async def answer(asked: Asked) -> None:
        await asked.answer(said, status=429, retry_after="7", set_cookie="x=1", server="s")

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        head, body = await ask(node, stream=True)
    assert (head.status, body) == (429, said)
    assert head.headers == {"retry-after": "7"}


async def test_an_error_that_is_no_json_is_put_into_the_shape(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"<h1>Bad Gateway</h1>", status=502, content_type="text/html")

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        head, body = await ask(node)
    assert (head.status, head.content_type) == (502, "application/json")
    assert json.loads(body)["error"]["message"].endswith("502: <h1>Bad Gateway</h1>")


async def test_a_redirect_is_not_followed_and_is_an_error(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"", status=307, location="http://127.0.0.1:1/")

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        head, _ = await ask(node)
    assert head.status == 502
    assert len(up.asked) == 1


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.both_loops
async def test_an_asker_that_leaves_closes_the_upstream(
    streams: bool, serving: Serving, upstreaming: Upstreaming
) -> None:
    begun, gone = anyio.Event(), anyio.Event()

    async def answer(asked: Asked) -> None:
        if streams:
            await asked.begin_stream()
            await asked.chunk(EVENT)
        begun.set()
        await asked.wait_gone()
        gone.set()

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        async with node.exchange(node.id, REQUEST, Opening("chat", "m", streams)) as exchange:
            await exchange.finish(BODY)
            await begun.wait()
            if streams:
                await exchange.receive()
        with anyio.fail_after(5):
            await gone.wait()


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        (Opening("chat", "other"), "model_not_found"),
        ({"format": "telepathy", "model": "m"}, "cannot_convert"),
        ("nonsense", "bad_request"),
        (Opening("chat", "m", accept="x\r\nauthorization: y"), "bad_request"),
    ],
)
async def test_what_is_not_served_here_is_refused_before_anything_began(
    opening: object, code: str, serving: Serving
) -> None:
    async with serving(models=[model("http://127.0.0.1:1/v1")]) as node:
        assert await ask_code(node, opening=opening) == (code, False)


async def test_a_node_without_models_refuses(serving: Serving) -> None:
    async with serving() as node:
        assert await ask_code(node) == ("model_not_found", False)


async def test_a_request_that_is_no_object_is_refused(serving: Serving) -> None:
    async with serving(models=[model("http://127.0.0.1:1/v1")]) as node:
        assert await ask_code(node, b"[]") == ("bad_request", False)


async def test_every_buffer_has_a_limit_that_the_error_names(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"x" * 3000)

    limits = {"max_request": "1 KiB", "max_answer": "2 KiB"}
    async with upstreaming(answer) as up, serving(models=[model(up.base_url)], **limits) as node:
        with pytest.raises(ExchangeFailure, match=r"1024 bytes \(max_request\)"):
            await ask(node, b"x" * 1025)
        with pytest.raises(ExchangeFailure, match=r"2048 bytes \(max_answer\)"):
            await ask(node)


async def test_connections_are_used_again(serving: Serving, upstreaming: Upstreaming) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        for _ in range(3):
            await ask(node)
    assert len({id(asked.stream) for asked in up.asked}) == 1


async def test_proxies_of_the_environment_are_left_alone(
    serving: Serving, upstreaming: Upstreaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with upstreaming(answer) as up:
        async with serving(models=[model(up.base_url)]) as node:
            assert (await ask(node))[0].status == 200
        async with serving(models=[model(up.base_url)], proxy_from_env=True) as node:
            assert await ask_code(node) == ("upstream_unreachable", False)


async def test_the_embedded_upstream_answers_over_an_exchange(
    serving: Serving, embedded_url: str
) -> None:
    question = {"model": "here/m", "messages": [{"role": "user", "content": "6 * 7"}]}
    async with serving(models=[model(embedded_url)]) as node:
        _, body = await ask(node, json.dumps(question).encode())
    assert "6 * 7 = 42." in json.loads(body)["choices"][0]["message"]["content"]


async def test_an_answer_is_left_open_by_nobody(serving: Serving, embedded_url: str) -> None:
    question = {
        "model": "m",
        "stream": True,
        "messages": [{"role": "user", "content": "count to 1000000"}],
    }
    async with (
        httpx2.AsyncClient(trust_env=False) as client,
        serving(models=[model(embedded_url)]) as node,
    ):
        stats_url = embedded_url.removesuffix("/v1") + "/stats"
        before = (await client.get(stats_url)).json()
        async with node.exchange(node.id, REQUEST, Opening("chat", "m", True)) as exchange:
            await exchange.finish(json.dumps(question).encode())
            await exchange.receive()
            await exchange.receive()
        with anyio.fail_after(5):
            while (stats := (await client.get(stats_url)).json())["active"]:
                await anyio.lowlevel.checkpoint()
        assert stats["cancelled"] == before["cancelled"] + 1


async def seven_of_ten_are_given_up(
    node: Node, begin: Callable[[Node], Awaitable[object]], code: str
) -> None:
    """Begin ten that never end where there is room for three, and see that others are served."""
    codes: list[str] = []

    async def failing() -> None:
        try:
            await begin(node)
        except ExchangeFailure as failure:
            codes.append(failure.code)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(failing)
        await wait_until(lambda: len(codes) == 7)
        assert set(codes) == {code}
        _, body = await ask(node)
        assert body == b"{}"
        tasks.cancel_scope.cancel()


async def test_requests_that_never_end_are_bounded_together_and_make_room(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    async def begin(node: Node) -> None:
        async with node.exchange(node.id, REQUEST, Opening("chat", "m")) as exchange:
            await exchange.send(b"x" * 60_000)
            await exchange.receive()

    bounds = {"max_request": 200_000, "max_requests": 400_000}
    async with upstreaming(answer) as up, serving(models=[model(up.base_url)], **bounds) as node:
        await seven_of_ten_are_given_up(node, begin, "busy")
        assert node.counters["model_busy"] == 7


@pytest.mark.bound("clawmatrix_model_proxy.kept_answers.ANSWERS")
async def test_answers_that_never_end_are_bounded_together_and_make_room(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        if b"endless" not in asked.body:
            await asked.answer(b"{}")
            return
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + bytes(60_000))
        await asked.wait_gone()

    bounds = {"max_answer": 200_000, "max_answers": 400_000}
    endless = partial(ask, body=b'{"model": "m", "endless": true}')
    async with upstreaming(answer) as up, serving(models=[model(up.base_url)], **bounds) as node:
        await seven_of_ten_are_given_up(node, endless, "answer_too_large")


CREATED = b'data: {"type":"response.created","response":{"id":"r","status":"in_progress"}}\n\n'
SAID = b'data: {"type":"response.output_text.delta","delta":"x"}\n\n'
ENDED = b'data: {"type":"response.completed","response":{"id":"r","status":"completed"}}\n\n'


@pytest.mark.parametrize("signs", [False, True])
async def test_signs_of_life_are_for_nodes_that_take_them(
    *, signs: bool, serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for _ in range(3):
            await asked.chunk(CREATED)
        await asked.chunk(SAID + ENDED)
        await asked.end_stream()

    opening = Opening("responses", "m", stream=True, signs=signs)
    limited = model("", api="openai-responses", first_token_timeout="7s")
    async with (
        upstreaming(answer) as up,
        serving(models=[{**limited, "base_url": up.base_url}]) as node,
        node.exchange(node.id, REQUEST, opening) as exchange,
    ):
        await exchange.finish(b'{"model":"m","input":"x","stream":true}')
        told = [await exchange.receive()]
        while isinstance(told[-1], dict) and "status" not in told[-1]:
            told.append(await exchange.receive())
        async for _ in exchange:
            pass
    assert told[:-1] == ([{"firstToken": 7.0}, {"alive": True}] if signs else [])
