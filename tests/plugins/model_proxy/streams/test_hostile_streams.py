"""Upstreams that end their streams in bad ways, for clients of each API: never half an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.test_converted import (
    BODIES,
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    SAID,
    chunk,
    sse,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

APIS = (CHAT, RESPONSES, MESSAGES)
all_nine = pytest.mark.parametrize(
    ("client", "api"), [(client, api) for client in PATHS for api in APIS]
)
ITEM = {"type": "message", "id": "i", "content": [{"type": "output_text", "text": "Good day."}]}
COMPLETED = {
    "type": "response.completed",
    "response": {"id": "r", "model": "m", "status": "completed", "output": [ITEM]},
}
STOPPED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}
ENDS = {
    CHAT: sse(chunk(None, "stop"), "[DONE]"),
    RESPONSES: sse(COMPLETED),
    MESSAGES: sse({"type": "content_block_stop", "index": 0}, STOPPED, {"type": "message_stop"}),
}
NEARLY = {
    CHAT: [],
    RESPONSES: sse({"type": "response.output_item.done", "output_index": 0, "item": ITEM}),
    MESSAGES: ENDS[MESSAGES][:2],
}
"""All but the end itself."""
ERRORS = {
    "an error": b'data: {"error": {"message": "boom"}}\n\n',
    "an error by name": b'event: error\ndata: {"message": "boom"}\n\n',
    "an error in words": b"event: error\r\ndata: boom\r\n\r\n",
    "an object that is an error": b'data: {"object": "error", "message": "boom", "code": 500}\n\n',
}


def streams(*pieces: bytes, then: str = "ends") -> Answer:
    """Return an upstream that streams these, and then ``ends``, is ``cut``, or ``hangs``."""

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in pieces:
            await asked.chunk(piece)
        if then == "hangs":
            await asked.wait_gone()
        elif then == "cut":
            await asked.stream.aclose()
        else:
            await asked.end_stream()

    return answer


def looks_whole(client: str, body: bytes) -> bool:
    """Say whether a client would take a stream for an answer that came to its end."""
    if client == "chat":
        return b"[DONE]" in body
    return (b"response.completed" if client == "responses" else b"message_stop") in body


async def asked_of(
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    answers: list[Answer],
    client: str,
    api: str,
    **table: Any,
) -> Client:
    """Return the client of a node with these upstreams for one model, answered."""
    async with anyio.create_task_group() as tasks:
        urls = [await _start(upstreaming, answer, tasks) for answer in answers]
        models = [{"id": "m", "base_url": url, "api": api} for url in urls]
        config = {"model-proxy": {"models": models, **table}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            path = PATHS[client]
            body = json.dumps({**BODIES[client], "stream": True}).encode()
            with anyio.fail_after(10):
                await asking.call(path, path, body)
        tasks.cancel_scope.cancel()
    return asking


async def _start(upstreaming: Upstreaming, answer: Answer, tasks: anyio.abc.TaskGroup) -> str:
    async def run(task_status: anyio.abc.TaskStatus[str]) -> None:
        async with upstreaming(answer) as upstream:
            task_status.started(upstream.base_url)
            await anyio.sleep_forever()

    url: str = await tasks.start(run)
    return url


@all_nine
@pytest.mark.parametrize("error", ERRORS)
async def test_an_error_before_the_end_is_never_a_whole_answer(
    client: str, api: str, error: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    bad = streams(*SAID[api], ERRORS[error], *ENDS[api])
    live = await asked_of(node_factory, upstreaming, [bad], client, api)
    assert not looks_whole(client, live.body)
    assert b"error" in live.body
    assert live.body.count(b"boom") >= 1


@all_nine
@pytest.mark.parametrize("error", ERRORS)
async def test_a_held_answer_with_an_error_in_it_is_replaced(
    client: str, api: str, error: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    bad = streams(*SAID[api], ERRORS[error], *ENDS[api])
    good = streams(*SAID[api], *ENDS[api])
    held = await asked_of(node_factory, upstreaming, [bad, good], client, api, hold="whole")
    assert held.headers["x-clawmatrix-attempts"] == "2"
    assert looks_whole(client, held.body)
    assert b"boom" not in held.body


@all_nine
@pytest.mark.parametrize("then", ["ends", "cut"])
async def test_an_answer_without_its_very_end_is_never_whole(
    client: str, api: str, then: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    bad = streams(*SAID[api], *NEARLY[api], then=then)
    live = await asked_of(node_factory, upstreaming, [bad], client, api)
    assert not looks_whole(client, live.body)
    assert b"error" in live.body


@all_nine
async def test_an_answer_is_over_with_its_end_although_the_connection_stays_open(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    hangs = streams(*SAID[api], *ENDS[api], then="hangs")
    asking = await asked_of(node_factory, upstreaming, [hangs], client, api, idle_timeout="20s")
    assert looks_whole(client, asking.body)
    assert asking.whole


@all_nine
async def test_an_end_without_an_answer_is_none(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    nothing = streams(*(ENDS[CHAT][1:] if api == CHAT else []))
    good = streams(*SAID[api], *ENDS[api])
    asking = await asked_of(node_factory, upstreaming, [nothing, good], client, api)
    assert looks_whole(client, asking.body)
    assert b"day." in asking.body


@all_nine
@pytest.mark.parametrize("stream", [True, False])
async def test_a_key_that_an_upstream_repeats_in_a_stream_is_seen_by_nobody(
    client: str,
    api: str,
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = "sk-abcdefghijklmnopqrstuvwxyz"
    error = {"type": "authentication_error", "message": f"no more of {key}"}
    failed = sse({"type": "error", "error": error} if api != CHAT else {"error": error})

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for event in [*SAID[api], *failed]:
            await asked.chunk(event)
        await asked.end_stream()

    caplog.set_level("DEBUG")
    async with upstreaming(answer) as up:
        model = {"id": "m", "base_url": up.base_url, "api": api, "api_key": key}
        config = {"model-proxy": {"models": [model]}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            asking = Client(node)
            body = {**BODIES[client], "stream": stream}
            await asking.call(PATHS[client], PATHS[client], json.dumps(body).encode())
    assert key.encode() in up.asked[0].head
    assert key.encode() not in asking.body
    assert key not in caplog.text
    assert not stream or b"no more of [key]" in asking.body
