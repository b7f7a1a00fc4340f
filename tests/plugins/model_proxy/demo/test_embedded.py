"""The embedded upstream, asked directly."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import openai
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import local_upstream
from clawmatrix_model_proxy.demo import embedded

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """It needs asyncio."""
    return "asyncio", {"use_uvloop": False}


def asks(text: str, **more: Any) -> dict[str, Any]:
    """Return a request."""
    return {"model": "embedded", "messages": [{"role": "user", "content": text}], **more}


def read_events(text: str) -> list[Any]:
    """Return the events of a stream."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def test_a_stream_has_every_kind_of_chunk_in_order() -> None:
    async with embedded.serve() as up, httpx2.AsyncClient(base_url=up.base_url) as client:
        plain = await client.post("/chat/completions", json=asks("count to 2", stream=True))
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        counted = await client.post("/chat/completions", json=asks("count to 2", **usage))
    *events, done = read_events(plain.text)
    assert done == "[DONE]"
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "1"},
        {"content": " 2"},
        {},
    ]
    assert [e["choices"][0]["finish_reason"] for e in events] == [None, None, None, "stop"]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    last = read_events(counted.text)[-2]
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


async def test_official_clients_can_use_it() -> None:
    async with embedded.serve(api_key="right-key") as up:
        async with openai.AsyncOpenAI(base_url=up.base_url, api_key="right-key") as client:
            [model] = [model async for model in client.models.list()]
            completion = await client.chat.completions.create(**asks("2 + 2"))
        assert model.id == completion.model == embedded.MODEL
        assert "2 + 2 = 4." in str(completion.choices[0].message.content)
        async with openai.AsyncOpenAI(base_url=up.base_url, api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(**asks("2 + 2"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model": 7}', b'{"model": "m"}'])
async def test_what_is_no_request_is_400(body: bytes) -> None:
    async with embedded.serve() as up, httpx2.AsyncClient(base_url=up.base_url) as client:
        answer = await client.post("/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("streams", [False, True])
async def test_it_counts_what_was_finished_and_what_was_given_up(streams: bool) -> None:
    async with embedded.serve() as up, httpx2.AsyncClient(base_url=up.base_url) as client:
        await client.post("/chat/completions", json=asks("count to 3", stream=streams))
        await wait_until(lambda: up.stats.active == 0)
        slow = {**asks("count to 10000", stream=streams), "model": "embedded@10ms"}
        with anyio.move_on_after(5) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_post, client, slow)
                await wait_until(lambda: up.stats.active == 1)
                tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught
        await wait_until(lambda: up.stats.active == 0)
        stats = (await client.get(up.base_url.removesuffix("v1") + "stats")).json()
    assert stats["requests"] == 2
    assert (stats["completed"], stats["cancelled"], stats["active"]) == (1, 1, 0)
    assert (stats["chunks"] > 0) is streams


async def _post(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    await client.post("/chat/completions", json=body, timeout=None)


async def test_a_port_that_is_taken_is_an_oserror() -> None:
    async with embedded.serve() as up:
        port = int(up.base_url.removesuffix("/v1").rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with embedded.serve(port):
                pass


def in_turn(request: dict[str, Any]) -> str:
    return f"{request['model']} has {len(request['messages'])}"


async def later(request: dict[str, Any]) -> str:
    await anyio.lowlevel.checkpoint()
    return in_turn(request)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("two  spaces\nstay", "two  spaces\nstay"),
        ("", ""),
        (in_turn, "embedded has 1"),
        (later, "embedded has 1"),
        (None, "1 2"),
    ],
)
async def test_a_test_says_what_the_upstream_answers(answer: Any, said: str) -> None:
    async with (
        local_upstream(answer, api_key="key") as url,
        openai.AsyncOpenAI(base_url=url, api_key="key", max_retries=0) as client,
    ):
        completions = client.chat.completions
        whole = await completions.create(**asks("count to 2"))
        assert whole.choices[0].message.content == said
        stream = await completions.create(**asks("count to 2", stream=True))
        pieces = [piece.choices[0].delta.content or "" async for piece in stream]
        assert "".join(pieces) == said


async def test_a_function_that_raises_is_an_error_of_the_upstream() -> None:
    def wrong(_: dict[str, Any]) -> str:
        raise LookupError("no words")

    async with local_upstream(wrong) as url, httpx2.AsyncClient(base_url=url) as client:
        answer = await client.post("/chat/completions", json=asks("hello"))
        assert (answer.status_code, "no words" in answer.text) == (500, False)
