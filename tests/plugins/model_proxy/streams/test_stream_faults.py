"""Streams that fail: before they mean anything, in the middle, and while they are held back."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, DONE, EVENT, NOWHERE, Client, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstream, Upstreaming

pytestmark = pytest.mark.anyio

ROLE = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
WHOLE = ROLE + EVENT + LAST + DONE
HOLE = b'data: {"choices": [{"ind\n\n'

Answer = "Callable[[Asked], Awaitable[None]]"


def says(*pieces: bytes, cut: bool = False) -> Callable[[Asked], Awaitable[None]]:
    """Return an upstream that streams these pieces, and then ends or breaks off."""

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in pieces:
            await asked.chunk(piece)
        if cut:
            await asked.stream.aclose()
        else:
            await asked.end_stream()

    return answer


@asynccontextmanager
async def two(
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    first: Any,
    second: Any = None,
    **table: Any,
) -> AsyncIterator[tuple[Node, Upstream, Upstream]]:
    """Run a node with two upstreams for one model."""
    async with upstreaming(first) as a, upstreaming(second or says(WHOLE)) as b:
        models = [{"id": "m", "base_url": a.base_url}, {"id": "m", "base_url": b.base_url}]
        config = {"model-proxy": {"models": models, **table}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            yield node, a, b


# --- before anything was said


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b": ping\n\n",),
        (ROLE,),
        (ROLE, b'data: {"error": {"message": "full", "type": "overloaded_error"}}\n\n'),
        (b'data: {"error": {"message": "no key", "type": "authentication_error"}}\n\n',),
    ],
)
async def test_a_stream_that_says_nothing_is_no_answer(
    pieces: tuple[bytes, ...], node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, says(*pieces, cut=True)) as (node, a, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == WHOLE
    assert client.headers["x-clawmatrix-attempts"] == str(len(a.asked) + len(b.asked))
    assert len(b.asked) == 1


async def test_an_error_event_alone_is_an_http_error_with_its_status(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    event = b'data: {"error": {"message": "bad prompt", "type": "invalid_request_error"}}\n\n'
    async with two(node_factory, upstreaming, says(event)) as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert (client.status, client.error["message"]) == (400, "bad prompt")
    assert b.asked == []


async def test_a_first_token_that_does_not_come_moves_on_but_never_from_the_last(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    late = anyio.Event()

    async def slow(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(ROLE)
        with anyio.move_on_after(5):
            await asked.wait_gone()
            late.set()

    async with two(node_factory, upstreaming, slow, first_token_timeout="80ms") as (node, a, b):
        client = Client(node)
        await client.ask(request(stream=True))
        with anyio.fail_after(5):
            await late.wait()
    assert client.body == WHOLE
    assert (len(a.asked), len(b.asked)) == (1, 1)


@pytest.mark.parametrize(
    ("hold", "said"), [("whole", EVENT), ("off", b"")], ids=["held", "before anything was said"]
)
async def test_an_answer_with_a_hole_that_nobody_has_seen_is_none(
    hold: str, said: bytes, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    holed = says(ROLE, said, HOLE, LAST, DONE)
    async with two(node_factory, upstreaming, holed, hold=hold) as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == WHOLE
    assert len(b.asked) == 1


async def test_silence_behind_a_hole_is_silence(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def silent(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(ROLE + HOLE)
        with anyio.move_on_after(5):
            await asked.wait_gone()

    async with two(node_factory, upstreaming, silent, first_byte_timeout="50ms") as (node, a, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == WHOLE
    assert (len(a.asked), len(b.asked)) == (1, 1), "a silent one is not asked twice"


# --- live: after a part has gone out


async def test_after_a_part_has_gone_out_there_is_never_another_answer(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, says(ROLE, EVENT, cut=True)) as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body.startswith(ROLE + EVENT + b'data: {"error":{')
    assert b"[DONE]" not in client.body
    assert b.asked == []


async def test_a_malformed_event_is_cut_out_and_what_may_miss_it_has_no_end(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    pieces = (ROLE, EVENT, HOLE, EVENT, HOLE, LAST, DONE)
    async with two(node_factory, upstreaming, says(*pieces)) as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body.startswith(ROLE + EVENT + EVENT + b'data: {"error":{')
    assert b"2 events of the upstream's answer could not be read" in client.body
    assert b"[DONE]" not in client.body
    assert b"finish_reason" not in client.body.partition(b'"error"')[2]
    assert b.asked == []


async def test_an_end_without_an_end_is_an_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, says(ROLE, EVENT)) as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body.startswith(ROLE + EVENT + b'data: {"error":{')
    assert b.asked == []


async def test_a_stream_that_died_counts_against_its_upstream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, says(ROLE, EVENT, cut=True)) as (node, a, b):
        for _ in range(3):
            await Client(node).ask(request(stream=True))
        client = Client(node)
        await client.ask(request(stream=True))
    assert (len(a.asked), len(b.asked)) == (3, 1)  # its breaker is open
    assert client.body == WHOLE


# --- held back


CUTS: dict[str, Any] = {
    "cut": says(ROLE, EVENT, cut=True),
    "ends early": says(ROLE, EVENT),
    "an error at the end": says(ROLE, EVENT, b'data: {"error": {"message": "lost"}}\n\n'),
}


@pytest.mark.parametrize("name", CUTS)
async def test_a_held_answer_that_fails_is_replaced_whole(
    name: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, CUTS[name], hold="whole") as (node, a, b):
        client = Client(node)
        await client.ask(request(stream=True))
    assert client.body == WHOLE
    assert (len(a.asked), len(b.asked)) == (1, 1)


async def test_the_header_goes_before_the_configuration(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with two(node_factory, upstreaming, CUTS["cut"], hold="whole") as (node, _, b):
        live, wrong = Client(node), Client(node)
        await live.ask(request(stream=True), **{"x-clawmatrix-hold": "off"})
        await wrong.ask(request(stream=True), **{"x-clawmatrix-hold": "for ever"})
    assert b'"error"' in live.body
    assert b.asked == []
    assert (wrong.status, wrong.error["param"]) == (400, "x-clawmatrix-hold")


async def test_a_number_of_tokens_is_held_and_no_more(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    early, late = says(ROLE, EVENT, cut=True), says(*[EVENT] * 4, cut=True)
    async with two(node_factory, upstreaming, early, hold="4 tokens") as (node, _, _b):
        client = Client(node)
        await client.ask(request(stream=True))
        assert client.body == WHOLE
    async with two(node_factory, upstreaming, late, hold="4 tokens") as (node, _, b):
        client = Client(node)
        await client.ask(request(stream=True))
        assert client.body.startswith(EVENT * 4 + b'data: {"error":{')
        assert b.asked == []


async def test_a_time_is_held_and_no_longer(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    arrived = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await arrived.wait()
        await asked.stream.aclose()

    async with two(node_factory, upstreaming, answer, hold="0.1s") as (node, _, _b):
        client = Client(node, on_body=lambda data: arrived.set() if data == EVENT else None)
        with anyio.fail_after(5):
            await client.ask(request(stream=True))
    assert client.body.startswith(EVENT + b'data: {"error":{')


async def test_more_than_may_be_held_is_an_error_and_not_kept_in_memory(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    flood = says(*[EVENT] * 100, LAST, DONE)
    async with two(node_factory, upstreaming, flood, flood, hold="whole", max_answer="1 KiB") as (
        node,
        _,
        _b,
    ):
        client = Client(node)
        await client.ask(request(stream=True))
    assert (client.status, client.error["code"]) == (502, "answer_too_large")


async def test_a_client_that_waits_gets_comments_and_then_the_answer(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    heard = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await heard.wait()
        await asked.chunk(WHOLE)
        await asked.end_stream()

    async with two(node_factory, upstreaming, answer, keep_alive="20ms") as (node, _, _b):
        client = Client(node, on_body=lambda data: heard.set())
        with anyio.fail_after(5):
            await client.ask(request(stream=True))
    assert client.headers["content-type"] == "text/event-stream"
    assert client.body.replace(b": keep-alive\n\n", b"") == WHOLE
    assert client.body.startswith(b": keep-alive\n\n")


async def test_after_a_comment_a_failure_is_an_event(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    heard = anyio.Event()

    async def answer(asked: Asked) -> None:
        await heard.wait()
        await asked.answer(b'{"error": {\n"message": "no"}\r\n}', status=400)

    async with two(node_factory, upstreaming, answer, keep_alive="20ms") as (node, _, _b):
        client = Client(node, on_body=lambda data: heard.set())
        with anyio.fail_after(5):
            await client.ask(request(stream=True))
    [event] = client.body.replace(b": keep-alive\n\n", b"").split(b"\n\n")[:-1]
    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == "no"
    assert b"[DONE]" not in client.body


# --- keys


async def test_the_next_key_is_taken_where_one_is_refused(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        if b"bearer good" in asked.head.lower():
            await asked.answer(b"{}")
        else:
            await asked.answer(b'{"error": {"message": "no"}}', status=401)

    async with upstreaming(answer) as up:
        model = {"id": "m", "base_url": up.base_url, "api_key": "bad", "api_keys": ["good", "x"]}
        config = {"model-proxy": {"models": [model]}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            first, second = Client(node), Client(node)
            await first.ask(request())
            await second.ask(request())
    assert (first.status, second.status) == (200, 200)
    assert len(up.asked) == 3  # the refused key was not tried again


async def test_where_no_key_is_taken_the_refusal_is_told(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"error": {"message": "no", "code": "invalid_api_key"}}', status=401)

    async with upstreaming(answer) as up:
        keys = {"api_keys": ["one", "two"]}
        models = [{"id": "m", "base_url": up.base_url, **keys}, {"id": "m", "base_url": NOWHERE}]
        config = {"model-proxy": {"models": models}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            await client.ask(request())
    assert (client.status, client.error["code"]) == (401, "invalid_api_key")
    assert len(up.asked) == 2
    assert "one" not in client.body.decode()
