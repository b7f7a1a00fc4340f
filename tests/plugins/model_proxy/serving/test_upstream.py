"""Upstreams that fail in every way they can, on asyncio and trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_model_proxy.wire import REQUEST, Opening
from tests.plugins.model_proxy.serving.serving import BODY, DONE, EVENT, ask, ask_code, model

if TYPE_CHECKING:
    from tests.plugins.model_proxy.conftest import Answer, Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio


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
        serving(models=[model(up.base_url)], idle_timeout="100ms") as node,
        node.exchange(node.id, REQUEST, Opening("chat", "m", True)) as exchange,
    ):
        await exchange.finish(BODY)
        await exchange.receive()
        await anyio.sleep(0.8)  # many times the silence that is allowed
        assert sent < 24 * 1024 * 1024
        last = b""
        async for piece in exchange:
            last = piece
        assert last.endswith(DONE)
