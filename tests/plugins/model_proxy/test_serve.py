"""The serving side, over real exchanges and real sockets, on asyncio and trio."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from clawmatrix_core.errors import ExchangeFailure
from clawmatrix_model_proxy.wire import REQUEST, Head, Opening, read_head

if TYPE_CHECKING:
    from clawmatrix_core.node import Node
    from tests.plugins.model_proxy.conftest import Answer, Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio

BODY = b'{"model":"here/m", "messages":[ ], "temperature":1.50}'
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}\n\n'
DONE = b"data: [DONE]\n\n"


def model(base_url: str, **more: Any) -> dict[str, Any]:
    """Return the table of a model."""
    return {"id": "m", "base_url": base_url, **more}


async def ask(
    node: Node, body: bytes = BODY, *, opening: object = None, stream: bool = False
) -> tuple[Head, bytes]:
    """Return the head and the whole body of an answer. Raises: ExchangeError."""
    opening = opening or Opening("chat", "m", stream)
    async with node.exchange(node.id, REQUEST, opening) as exchange:
        await exchange.finish(body)
        head = read_head(await exchange.receive())
        return head, b"".join([piece async for piece in exchange])


async def ask_code(node: Node, body: bytes = BODY, **more: Any) -> tuple[str, bool]:
    """Return the code of the failure, and whether the request can have begun."""
    with pytest.raises(ExchangeFailure) as caught:
        await ask(node, body, **more)
    return caught.value.code, caught.value.may_have_begun


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


async def test_a_stream_passes_byte_for_byte(serving: Serving, upstreaming: Upstreaming) -> None:
    pieces = [b": hi\n\n", EVENT[:30], EVENT[30:] + EVENT, b"data: odd\r\n\r\n", DONE]

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


async def test_an_upstream_that_is_not_there_has_begun_nothing(serving: Serving) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    await listener.aclose()
    async with serving(models=[model(f"http://127.0.0.1:{port}/v1")]) as node:
        assert await ask_code(node) == ("upstream_unreachable", False)


async def _close(asked: Asked) -> None:
    await asked.stream.aclose()


async def _half_a_head(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await asked.stream.aclose()


async def _no_http(asked: Asked) -> None:
    await asked.send(b"hello\r\n\r\n")
    await asked.stream.aclose()


async def _half_by_length(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b'{"half": 1')
    await asked.stream.aclose()


async def _half_by_chunks(asked: Asked) -> None:
    await asked.begin_stream(type_="application/json")
    await asked.chunk(b'{"half": 1')
    await asked.stream.aclose()


async def _half_without_a_length(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b'{"half": 1')
    await asked.stream.aclose()


async def _half_a_stream(asked: Asked) -> None:
    await asked.begin_stream()
    await asked.chunk(EVENT)
    await asked.stream.aclose()


async def _half_a_stream_that_ends_well(asked: Asked) -> None:
    await asked.begin_stream()
    await asked.chunk(EVENT)
    await asked.end_stream()


async def _an_empty_stream(asked: Asked) -> None:
    await asked.begin_stream()
    await asked.end_stream()


@pytest.mark.parametrize(
    "answer",
    [
        _close,
        _half_a_head,
        _no_http,
        _half_by_length,
        _half_by_chunks,
        _half_without_a_length,
        _half_a_stream,
        _half_a_stream_that_ends_well,
        _an_empty_stream,
    ],
)
async def test_an_answer_that_is_cut_is_never_whole(
    answer: Answer, serving: Serving, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        assert await ask_code(node, stream=True) == ("upstream_broke", True)


async def test_an_answer_without_a_length_is_whole_where_its_json_is(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.send(b'HTTP/1.1 200 OK\r\n\r\n{"id": 1}')
        await asked.stream.aclose()

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        assert (await ask(node))[1] == b'{"id": 1}'


async def test_a_stream_cut_after_done_is_whole(serving: Serving, upstreaming: Upstreaming) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT + DONE)
        await asked.stream.aclose()

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        assert (await ask(node, stream=True))[1] == EVENT + DONE


async def test_an_upstream_that_never_answers_is_given_up(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    gone = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.wait_gone()
        gone.set()

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url)], first_byte_timeout="50ms") as node,
    ):
        assert await ask_code(node) == ("upstream_timeout", True)
        with anyio.fail_after(5):
            await gone.wait()


async def test_a_head_alone_is_not_the_first_byte(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.wait_gone()

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url)], first_byte_timeout="50ms") as node,
    ):
        assert await ask_code(node, stream=True) == ("upstream_timeout", True)


async def test_an_upstream_that_falls_silent_is_given_up(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.wait_gone()

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url)], idle_timeout="50ms") as node,
    ):
        assert await ask_code(node, stream=True) == ("upstream_timeout", True)


async def test_a_slow_reader_is_no_silent_upstream_and_bounds_what_is_read(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    sent = 0
    total = 64 * 1024 * 1024 // len(EVENT)
    events = EVENT * 1000

    async def answer(asked: Asked) -> None:
        nonlocal sent
        await asked.begin_stream()
        for _ in range(total // 1000):
            await asked.chunk(events)
            sent += len(events)
        await asked.chunk(DONE)
        await asked.end_stream()

    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url)], idle_timeout="20ms") as node,
        node.exchange(node.id, REQUEST, Opening("chat", "m", True)) as exchange,
    ):
        await exchange.finish(BODY)
        await exchange.receive()
        await anyio.sleep(0.3)  # many times the silence that is allowed
        assert sent < 24 * 1024 * 1024
        last = b""
        async for piece in exchange:
            last = piece
        assert last.endswith(DONE)


@pytest.mark.parametrize("streams", [False, True])
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
        ({"format": "telepathy", "model": "m"}, "bad_request"),
        ("nonsense", "bad_request"),
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
