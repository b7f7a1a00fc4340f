"""The API as unmodified official clients use it, over real HTTP on both sides."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import httpx2
import openai
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.demo import embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}\n\n'


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The HTTP server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


@attrs.define
class Served:
    """A node with the API, and a client of it."""

    node: Node
    client: openai.AsyncOpenAI
    base_url: str
    token: str


@asynccontextmanager
async def served(node_factory: NodeFactory, base_url: str, **http: Any) -> AsyncIterator[Served]:
    """Run a node that serves one model."""
    config = {
        "http": {"listen": "127.0.0.1:0", **http},
        "model-proxy": {"models": [{"id": "m", "base_url": base_url, "upstream_model": "real"}]},
    }
    async with node_factory("home", built_in=("http", "model-proxy"), config=config) as node:
        [method] = [m for m in node.control_methods() if m.name == "http.env"]
        assert method.call is not None
        env = await method.call({})
        async with openai.AsyncOpenAI(
            base_url=env["baseUrl"], api_key=env["token"], max_retries=0
        ) as client:
            yield Served(node, client, env["baseUrl"], env["token"])


def says(text: str) -> list[Any]:
    """Return messages, with a system prompt that must arrive as it is."""
    return [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}]


async def test_a_completion(node_factory: NodeFactory) -> None:
    async with embedded.serve() as up, served(node_factory, up.base_url) as api:
        raw = await api.client.chat.completions.with_raw_response.create(
            model="m", messages=says("6 * 7")
        )
    completion = raw.parse()
    assert "6 * 7 = 42." in str(completion.choices[0].message.content)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "real"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 5
    assert raw.headers["x-clawmatrix-node"] == "home"
    assert raw.headers["x-clawmatrix-upstream-model"] == "real"


async def test_a_stream_with_usage(node_factory: NodeFactory) -> None:
    async with embedded.serve() as up, served(node_factory, up.base_url) as api:
        stream = await api.client.chat.completions.create(
            model="home/m",
            messages=says("count to 500"),
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == " ".join(str(number) for number in range(1, 501))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 500


async def test_the_stream_helper(node_factory: NodeFactory) -> None:
    async with (
        embedded.serve() as up,
        served(node_factory, up.base_url) as api,
        api.client.chat.completions.stream(model="m", messages=says("count to 3")) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert {"content.delta", "content.done"} <= set(kinds)
    assert final.choices[0].message.content == "1 2 3"


async def test_why_an_answer_ended_is_kept(node_factory: NodeFactory) -> None:
    async with embedded.serve() as up, served(node_factory, up.base_url) as api:
        short: dict[str, Any] = {"model": "m", "messages": says("count to 9"), "max_tokens": 3}
        completion = await api.client.chat.completions.create(**short)
        stream = await api.client.chat.completions.create(**short, stream=True)
        reasons = [chunk.choices[0].finish_reason async for chunk in stream]
    assert completion.choices[0].message.content == "1 2 3"
    assert completion.choices[0].finish_reason == reasons[-1] == "length"


async def test_the_sync_client(node_factory: NodeFactory) -> None:
    async with embedded.serve() as up, served(node_factory, up.base_url) as api:

        def ask() -> tuple[str, str, list[str]]:
            with openai.OpenAI(base_url=api.base_url, api_key=api.token, max_retries=0) as client:
                whole = client.chat.completions.create(model="m", messages=says("count to 3"))
                stream = client.chat.completions.create(
                    model="m", messages=says("count to 3"), stream=True
                )
                parts = [chunk.choices[0].delta.content or "" for chunk in stream]
                ids = [model.id for model in client.models.list()]
                return str(whole.choices[0].message.content), "".join(parts), ids

        whole, streamed, ids = await anyio.to_thread.run_sync(ask)
    assert whole == streamed == "1 2 3"
    assert ids == ["m", "home/m"]


async def test_models_are_listed_and_looked_up(node_factory: NodeFactory) -> None:
    async with served(node_factory, "http://127.0.0.1:1/v1") as api:
        listed = [model async for model in api.client.models.list()]
        one = await api.client.models.retrieve("home/m")
        with pytest.raises(openai.NotFoundError):
            await api.client.models.retrieve("nothing")
    assert [model.id for model in listed] == ["m", "home/m"]
    assert (one.id, one.owned_by) == ("home/m", "home")


async def test_errors_are_of_the_class_that_clients_expect(node_factory: NodeFactory) -> None:
    async with embedded.serve(api_key="right") as up, served(node_factory, up.base_url) as api:
        create = api.client.chat.completions.create
        with pytest.raises(openai.NotFoundError) as unknown:
            await create(model="nothing", messages=says("x"))
        with pytest.raises(openai.AuthenticationError):
            await create(model="m", messages=says("x"))  # the upstream wants a key
        with pytest.raises(openai.BadRequestError):
            await create(model="", messages=says("x"))
        stranger = api.client.with_options(api_key="wrong-token-of-a-stranger")
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.chat.completions.create(model="m", messages=says("x"))
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert refused.value.code == "invalid_api_key"


async def test_an_upstream_that_is_not_there_is_a_server_error(node_factory: NodeFactory) -> None:
    async with served(node_factory, "http://127.0.0.1:1/v1") as api:
        with pytest.raises(openai.InternalServerError) as caught:
            await api.client.chat.completions.create(model="m", messages=says("x"))
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_unreachable")


async def test_a_cut_stream_raises_and_never_looks_whole(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT + EVENT[:30])
        await asked.stream.aclose()

    async with upstreaming(answer) as up, served(node_factory, up.base_url) as api:
        stream = await api.client.chat.completions.create(
            model="m", messages=says("x"), stream=True
        )
        first = await anext(aiter(stream))
        with pytest.raises(openai.APIError, match="home: the upstream") as caught:
            await anext(aiter(stream))
    assert first.choices[0].delta.content == "x"
    assert caught.value.code == "upstream_broke"
    assert caught.value.type == "upstream_error"


async def test_the_request_travels_whole(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"choices": []}')

    tools: list[Any] = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    async with upstreaming(answer) as up, served(node_factory, up.base_url) as api:
        await api.client.chat.completions.create(
            model="m",
            messages=says("x"),
            tools=tools,
            tool_choice="required",
            temperature=0.25,
            seed=7,
            response_format={"type": "json_object"},
            extra_body={"of_a_later_version": [1, {"a": None}]},
        )
    assert json.loads(up.asked[0].body) == {
        "model": "real",
        "messages": says("x"),
        "tools": tools,
        "tool_choice": "required",
        "temperature": 0.25,
        "seed": 7,
        "response_format": {"type": "json_object"},
        "of_a_later_version": [1, {"a": None}],
    }


@pytest.mark.parametrize("streams", [False, True])
async def test_a_client_that_leaves_closes_the_upstream(
    streams: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    begun, gone = anyio.Event(), anyio.Event()

    async def answer(asked: Asked) -> None:
        if streams:
            await asked.begin_stream()
            await asked.chunk(EVENT)
        begun.set()
        await asked.wait_gone()
        gone.set()

    async with upstreaming(answer) as up, served(node_factory, up.base_url) as api:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ask_and_wait, api, streams)
            await begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()


async def _ask_and_wait(api: Served, streams: bool) -> None:
    body = {"model": "m", "messages": [], "stream": streams}
    headers = {"authorization": f"Bearer {api.token}"}
    url = f"{api.base_url}/chat/completions"
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=None) as client,
        client.stream("POST", url, json=body, headers=headers) as answer,
    ):
        async for _ in answer.aiter_raw():
            pass


async def test_the_embedded_upstream_is_closed_within_a_moment(node_factory: NodeFactory) -> None:
    async with embedded.serve(delay=0.01) as up, served(node_factory, up.base_url) as api:
        stream = await api.client.chat.completions.create(
            model="m", messages=says("count to 100000"), stream=True
        )
        await anext(aiter(stream))
        assert up.stats.active == 1
        await stream.close()
        await wait_until(lambda: up.stats.active == 0, limit=5)
        assert (up.stats.cancelled, up.stats.completed) == (1, 0)
        assert up.stats.chunks < 1000


async def test_many_at_once(node_factory: NodeFactory) -> None:
    answers: dict[int, str] = {}

    async def ask(api: Served, number: int) -> None:
        completion = await api.client.chat.completions.create(
            model="m", messages=says(f"{number} + {number}")
        )
        answers[number] = str(completion.choices[0].message.content)

    async with (
        embedded.serve() as up,
        served(node_factory, up.base_url) as api,
        anyio.create_task_group() as tasks,
    ):
        for number in range(40):
            tasks.start_soon(ask, api, number)
    assert all(f"{n} + {n} = {2 * n}." in answers[n] for n in range(40))


async def test_a_body_over_the_limit_is_413(node_factory: NodeFactory) -> None:
    async with served(node_factory, "http://127.0.0.1:1/v1", max_body="1 KiB") as api:
        with pytest.raises(openai.APIStatusError) as caught:
            await api.client.chat.completions.create(model="m", messages=says("x" * 2000))
    assert caught.value.status_code == 413


async def test_a_client_with_requests_in_a_row_that_leaves_closes_the_upstream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    gone = anyio.Event()

    async def endless(asked: Asked) -> None:
        await asked.begin_stream()
        try:
            while True:
                await asked.chunk(EVENT * 100)
                await anyio.sleep(0.01)  # between two pieces, as a model takes
        finally:
            gone.set()

    async with upstreaming(endless) as up, served(node_factory, up.base_url) as api:
        body = json.dumps({"model": "m", "messages": [], "stream": True})
        head = f"Host: localhost\r\nAuthorization: Bearer {api.token}\r\n"
        one = f"POST /v1/chat/completions HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        port = int(api.base_url.rsplit(":", 1)[1].split("/")[0])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send((one + body).encode() * 2)
            assert b"200 OK" in await stream.receive()
        with anyio.fail_after(10):
            await gone.wait()
    assert len(up.asked) == 1
