"""A stream of Responses that fails, before both kinds of clients: SDKs, and Codex."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from tests.plugins.model_proxy.convert.responses.responses_sdk import STREAM_EVENT
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    MESSAGES,
    RESPONSES,
    SAID,
    sse,
    streams,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

LOST = {"code": "server_error", "message": "lost on the way"}
ASKED: dict[str, Any] = {"model": "m", "input": "hello", "stream": True}
FAILED = {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": LOST}}
BEGUN: dict[str, Any] = {
    "id": "resp_own",
    "object": "response",
    "created_at": 1_790_000_000,
    "model": "m-real",
    "status": "in_progress",
    "instructions": "i" * 70_000,
    "output": [],
    "tools": [],
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The HTTP server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


@asynccontextmanager
async def asking(
    answer: Answer, api: str, node_factory: NodeFactory, upstreaming: Upstreaming, **more: Any
) -> AsyncIterator[tuple[str, str]]:
    """Run a node before an upstream; yield its base URL and its token."""
    async with upstreaming(answer) as up:
        models = [{"id": "m", "base_url": up.base_url, "api": api}]
        config = {"http": {"listen": "127.0.0.1:0"}, "model-proxy": {"models": models, **more}}
        async with node_factory("home", built_in=("http", "model-proxy"), config=config) as node:
            [method] = [m for m in node.control_methods() if m.name == "http.env"]
            assert method.call is not None
            env = await method.call({})
            yield env["baseUrl"], env["token"]


async def what_the_sdk_raises(url: str, token: str) -> str:
    async with openai.AsyncOpenAI(base_url=url, api_key=token, max_retries=0) as client:
        with pytest.raises(openai.APIError) as raised:
            async for _ in await client.responses.create(**ASKED):
                pass
    return raised.value.message


async def sent_to_codex(url: str, token: str) -> str:
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http:
        answered = await http.post(f"{url}/responses", json=ASKED, timeout=20)
    assert answered.status_code == 200
    return answered.text


async def what_codex_shows(url: str, token: str) -> tuple[str | None, str]:
    """Return the code and the reason that Codex takes from a stream.

    Codex looks at ``response.failed`` and ``response.completed`` only. Its parser wants a text for
    the code, and drops an error where there is a number.
    """
    for event in (await sent_to_codex(url, token)).split("\n\n"):
        lines = [line for line in event.splitlines() if line.startswith("data: ")]
        payload = json.loads(lines[0][6:]) if lines else {}
        if payload.get("type") == "response.completed":
            return None, "whole"
        if payload.get("type") == "response.failed":
            error = payload["response"]["error"]
            assert isinstance(error.get("code"), str | None)
            return error.get("code"), error["message"]
    return None, "stream closed before response.completed"


ENDS: dict[str, tuple[str, list[bytes], str]] = {
    "cut off, of Responses": (RESPONSES, SAID[RESPONSES], "ended in the middle"),
    "cut off, of chat": (CHAT, SAID[CHAT], "ended in the middle"),
    "cut off, of Messages": (MESSAGES, SAID[MESSAGES], "ended in the middle"),
    "its own error": (
        RESPONSES,
        [*SAID[RESPONSES], *sse({"type": "error", **LOST})],
        "lost on the way",
    ),
    "its own failure": (RESPONSES, [*SAID[RESPONSES], *sse(FAILED)], "lost on the way"),
    "both of its own": (
        RESPONSES,
        [*SAID[RESPONSES], *sse({"type": "error", **LOST}), *sse(FAILED)],
        "lost on the way",
    ),
    "an error of chat": (CHAT, [*SAID[CHAT], *sse({"error": LOST})], "lost on the way"),
    "a text of chat": (CHAT, [*SAID[CHAT], *sse({"error": "lost on the way"})], "lost on the way"),
    "a number of chat": (
        CHAT,
        [*SAID[CHAT], *sse({"error": {**LOST, "code": 500}})],
        "lost on the way",
    ),
    "an error of Messages": (
        MESSAGES,
        [*SAID[MESSAGES], *sse({"type": "error", "error": {"type": "api_error", **LOST}})],
        "lost on the way",
    ),
    "damaged": (RESPONSES, [*SAID[RESPONSES], b'data: {"delta": \n\n'], "could not be read"),
}


@pytest.mark.parametrize(("api", "pieces", "reason"), ENDS.values(), ids=ENDS)
async def test_both_kinds_of_clients_are_told_the_reason(
    api: str, pieces: list[bytes], reason: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    end = b"" if reason != "could not be read" else b'data: {"type": "response.completed"}\n\n'
    answer = streams(*pieces, *([end] if end else []))
    async with asking(answer, api, node_factory, upstreaming) as (url, token):
        assert reason in await what_the_sdk_raises(url, token)
        code, shown = await what_codex_shows(url, token)
    assert reason in shown
    assert code in ("server_error", None)


async def test_a_prompt_that_is_too_long_has_the_code_that_codex_looks_for(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    error = {"error": {"message": "prompt is too long", "type": "invalid_request_error"}}
    async with asking(streams(*SAID[CHAT], *sse(error)), CHAT, node_factory, upstreaming) as (
        url,
        token,
    ):
        assert await what_codex_shows(url, token) == (
            "context_length_exceeded",
            "prompt is too long",
        )


@pytest.mark.bound("clawmatrix_model_proxy.streams.failures.FIRST")
async def test_the_failed_response_is_the_one_that_began(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    events = [
        {"type": "response.created", "sequence_number": 0, "response": BEGUN},
        {
            "type": "response.output_text.delta",
            "sequence_number": 1,
            "item_id": "i",
            "output_index": 0,
            "content_index": 0,
            "logprobs": [],
            "delta": "Good",
        },
    ]
    for instructions, model in (("short", "m-real"), ("i" * 70_000, "")):
        BEGUN["instructions"] = instructions
        answer = streams(*sse(*events))
        async with asking(answer, RESPONSES, node_factory, upstreaming) as (url, token):
            told = await sent_to_codex(url, token)
        lines = [line for line in told.splitlines() if line.startswith("data: ")]
        error, failed = (json.loads(line[6:]) for line in lines[-2:])
        for number, event in ((2, error), (3, failed)):
            STREAM_EVENT.validate_python(event, strict=True)
            assert event["sequence_number"] == number
        assert (failed["response"]["id"], failed["response"]["model"]) == ("resp_own", model)
        assert failed["response"]["status"] == "failed"


async def test_a_failure_behind_a_comment_alone_is_told_by_both_events(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.wait_gone()

    limits = {"keep_alive": "100ms", "total_timeout": "1s"}
    async with asking(answer, RESPONSES, node_factory, upstreaming, **limits) as (url, token):
        assert "within 1 s" in await what_the_sdk_raises(url, token)
        code, shown = await what_codex_shows(url, token)
    assert (code, "within 1 s" in shown) == ("server_error", True)
