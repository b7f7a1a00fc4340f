"""Every API passes as it is: to its own upstream, with its own errors and its own ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.asking.previous_responses import PreviousResponses
from clawmatrix_model_proxy.streams.failures import Failure
from clawmatrix_model_proxy.streams.formats import FORMATS
from tests.plugins.model_proxy.asking.asking import ALONE, Client, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "count_tokens": "/v1/messages/count_tokens",
    "embeddings": "/v1/embeddings",
}
APIS = {
    "chat": "openai-completions",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
    "count_tokens": "anthropic-messages",
    "embeddings": "openai-completions",
}


def event(type_: str, **fields: Any) -> bytes:
    """Return a typed event of a stream."""
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **fields})}\n\n".encode()


STREAMS: dict[str, tuple[bytes, bytes, bytes]] = {
    # set-up, content, end
    "responses": (
        event("response.created", sequence_number=0, response={"id": "resp_1"})
        + event("response.output_item.added", sequence_number=1, item={}),
        event("response.output_text.delta", sequence_number=2, delta="Hello"),
        event("response.completed", sequence_number=3, response={"id": "resp_1", "x": "y" * 40000}),
    ),
    "messages": (
        event("message_start", message={"id": "msg_1"})
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event("ping"),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"}),
        event("message_delta", delta={"stop_reason": "end_turn"}) + event("message_stop"),
    ),
}


def says(*pieces: bytes, cut: bool = False) -> Callable[[Asked], Awaitable[None]]:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in pieces:
            await asked.chunk(piece)
        if cut:
            await asked.stream.aclose()
        else:
            await asked.end_stream()

    return answer


def table(name: str, base_url: str, **more: Any) -> dict[str, Any]:
    model = {"id": "m", "base_url": base_url, "api": APIS[name], "upstream_model": "m:1", **more}
    return {"model-proxy": {"models": [model]}}


async def ask(client: Client, name: str, body: dict[str, Any], **headers: str) -> None:
    path = PATHS[name]
    await client.call(path, path, json.dumps(body).encode(), **headers)


# --- whole


@pytest.mark.parametrize("name", PATHS)
async def test_a_request_reaches_the_upstreams_own_path_with_its_own_key(
    name: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": "a1", "odd": 1.0, "input_tokens": 7}')

    async with upstreaming(answer) as up:
        config = table(name, up.base_url, api_key="the-key")
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            body = {"model": "m", "unknown_field": [1.50]}
            beta = {"anthropic-beta": "b1", "x-api-key": "mine", "authorization": "Bearer mine"}
            await ask(client, name, body, **beta)
    assert (client.status, client.body) == (200, b'{"id": "a1", "odd": 1.0, "input_tokens": 7}')
    [asked] = up.asked
    head = asked.head.decode().lower()
    assert head.startswith(f"post {PATHS[name]} ")
    assert json.loads(asked.body) == {"model": "m:1", "unknown_field": [1.5]}
    assert "mine" not in head
    if APIS[name] == "anthropic-messages":
        assert "x-api-key: the-key" in head
        assert "anthropic-version: 2023-06-01" in head
        assert "anthropic-beta: b1" in head
    else:
        assert "authorization: bearer the-key" in head
        assert "anthropic" not in head


@pytest.mark.parametrize("name", PATHS)
async def test_an_error_here_has_the_shape_of_the_api(name: str, node_factory: NodeFactory) -> None:
    async with node_factory("home", built_in=ALONE) as node:
        client = Client(node)
        await ask(client, name, {"model": "nothing"})
    assert client.status == 404
    if APIS[name] == "anthropic-messages":
        told = json.loads(client.body)
        assert (told["type"], told["error"]["type"]) == ("error", "not_found_error")
        assert "nothing" in told["error"]["message"]
    else:
        assert client.error["code"] == "model_not_found"


@pytest.mark.parametrize(("name", "api"), [("embeddings", "anthropic-messages")])
async def test_what_the_upstreams_api_does_not_have_is_refused(
    name: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    async with upstreaming(answer) as up:
        config = table(name, up.base_url, api=api)
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            await ask(client, name, {"model": "m"})
    assert (client.status, client.error["code"]) == (400, "cannot_convert")
    assert api in client.error["message"]
    assert up.asked == []


# --- streams


@pytest.mark.parametrize("name", STREAMS)
async def test_a_whole_stream_passes_byte_for_byte(
    name: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    pieces = STREAMS[name]
    async with (
        upstreaming(says(*pieces)) as up,
        node_factory("home", built_in=ALONE, config=table(name, up.base_url)) as node,
    ):
        client = Client(node)
        await ask(client, name, request(stream=True))
    assert client.body == b"".join(pieces)
    assert client.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_without_its_own_end_ends_in_its_own_error(
    name: str, cut: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    setup, content, _ = STREAMS[name]
    async with (
        upstreaming(says(setup, content, cut=cut)) as up,
        node_factory("home", built_in=ALONE, config=table(name, up.base_url)) as node,
    ):
        client = Client(node)
        await ask(client, name, request(stream=True))
    assert client.body.startswith(setup + content + b"event: error\ndata: {")
    ours = client.body.removeprefix(setup + content + b"event: error\ndata: ")
    last = json.loads(ours.split(b"\n")[0])
    assert last["type"] == "error"
    assert "the upstream" in last["error"]["message"]
    if name == "responses":
        assert last["sequence_number"] == 3
        assert last["code"] == "upstream_broke"
    else:
        assert last["error"]["type"] == "api_error"


FAILURES = {
    "responses": event(
        "response.failed",
        sequence_number=1,
        response={"error": {"code": "server_error", "message": "lost"}},
    ),
    "messages": event("error", error={"type": "overloaded_error", "message": "lost"}),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_the_upstreams_own_error_passes_once_in_the_middle_and_is_a_status_before(
    name: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    setup, content, _ = STREAMS[name]
    late, early = says(setup, content, FAILURES[name]), says(setup, FAILURES[name])
    async with upstreaming(late) as up:
        config = table(name, up.base_url)
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            await ask(client, name, request(stream=True))
    sent = setup + content + FAILURES[name]
    assert client.body.startswith(sent)
    more = client.body.removeprefix(sent)
    if name == "responses":  # whose SDKs raise for the other event
        fields = json.loads(more.removeprefix(b"event: error\ndata: "))
        assert (fields["code"], fields["message"]) == ("server_error", "lost")
    else:
        assert more == b""
    async with upstreaming(early) as up:
        config = table(name, up.base_url)
        async with node_factory("home", built_in=ALONE, config=config) as node:
            client = Client(node)
            await ask(client, name, request(stream=True))
    assert client.status == (500 if name == "responses" else 529)
    assert json.loads(client.body)["error"]["message"] == "lost"


# --- responses that name another


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_that_is_named_is_asked_for_where_it_was_made(
    stream: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        if stream:
            await says(*STREAMS["responses"])(asked)
        else:
            await asked.answer(b'{"id": "resp_1"}')

    async with upstreaming(answer) as first, upstreaming(answer) as second:
        models = [
            {"id": "m", "base_url": up.base_url, "api": "openai-responses"}
            for up in (first, second)
        ]
        config = {"model-proxy": {"models": models, "balance": "least-outstanding"}}
        async with node_factory("home", built_in=ALONE, config=config) as node:
            for _ in range(3):
                client = Client(node)
                body = {**request(stream=stream), "previous_response_id": "resp_1"}
                if not first.asked:
                    del body["previous_response_id"]
                await ask(client, "responses", body)
                assert client.status == 200
            unknown = Client(node)
            await ask(unknown, "responses", {**request(), "previous_response_id": "resp_9"})
    assert (len(first.asked), len(second.asked)) == (3, 0)
    assert (unknown.status, unknown.error["code"]) == (400, "previous_response_not_found")


def test_the_memory_of_answers_is_bounded() -> None:
    memory = PreviousResponses(limit=2)
    for name in ("a", "b", "a", "c", "x" * 300):
        memory.remember(name, Target(NodeId("office"), "m"))
    assert len(memory) == 2
    assert memory.find("b") is None
    assert memory.find("a") is not None


# --- models


async def test_models_are_listed_in_the_shape_that_the_client_speaks(
    node_factory: NodeFactory,
) -> None:
    config = table("chat", "http://127.0.0.1:1/v1", description="words")
    async with node_factory("home", built_in=ALONE, config=config) as node:
        listed, one, missing = Client(node), Client(node), Client(node)
        version = {"anthropic-version": "2023-06-01"}
        await listed.call("/v1/models", "/v1/models", b"", **version)
        await one.call("/v1/models/{id:path}", "/", b"", id="m", **version)
        await missing.call("/v1/models/{id:path}", "/", b"", id="nothing", **version)
    told = json.loads(listed.body)
    assert (told["first_id"], told["last_id"], told["has_more"]) == ("m", "home/m", False)
    assert told["data"][0] == json.loads(one.body)
    assert told["data"][0]["type"] == "model"
    assert told["data"][0]["display_name"] == "words"
    assert json.loads(missing.body)["error"]["type"] == "not_found_error"


def test_an_error_of_responses_counts_on_from_the_last_event() -> None:
    format = FORMATS["responses"]
    for sent, number in ((b"", 0), (b'{"sequence_number": 41}', 42), (b'"sequence_number":x', 0)):
        last = format.failure(Failure(b'{"error": {"message": "m"}}', last=sent))
        _, error, failed = last.split(b"data: ")
        assert json.loads(error.split(b"\n")[0])["sequence_number"] == number
        assert json.loads(failed)["sequence_number"] == number + 1
