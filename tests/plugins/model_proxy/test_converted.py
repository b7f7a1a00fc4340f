"""Clients of one API before upstreams of another: faults, and what does not fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, Client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

CHAT, RESPONSES, MESSAGES = "openai-completions", "openai-responses", "anthropic-messages"
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
COUNT = "/v1/messages/count_tokens"
TURNS = [{"role": "user", "content": "hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": TURNS},
    "responses": {"model": "m", "input": TURNS},
    "messages": {"model": "m", "messages": TURNS, "max_tokens": 9},
}


def sse(*events: dict[str, Any] | str) -> list[bytes]:
    words = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return [f"data: {word}\n\n".encode() for word in words]


def chunk(content: str | None, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {"id": "c1", "created": 1_790_000_000, "model": "m", "choices": [choice]}


SAID = {
    CHAT: sse(chunk("Good "), chunk("day.")),
    RESPONSES: sse(
        {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}},
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "Good "},
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "day."},
    ),
    MESSAGES: sse(
        {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Good "},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "day."},
        },
    ),
}
"""Two words, and no end."""
WHOLE: dict[str, dict[str, Any]] = {
    CHAT: {
        "id": "c1",
        "created": 1_790_000_000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Good day."},
                "finish_reason": "stop",
            }
        ],
    },
    RESPONSES: {
        "id": "r",
        "model": "m",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Good day."}]}],
    },
    MESSAGES: {
        "id": "m1",
        "model": "m",
        "role": "assistant",
        "content": [{"type": "text", "text": "Good day."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
}
END = {
    CHAT: sse(chunk(None, "stop"), "[DONE]"),
    RESPONSES: sse({"type": "response.completed", "response": WHOLE[RESPONSES]}),
    MESSAGES: sse(
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    ),
}
"""What makes a whole stream of ``SAID``."""
PAIRS = [
    (client, api)
    for client, own in (("chat", CHAT), ("responses", RESPONSES), ("messages", MESSAGES))
    for api in (CHAT, RESPONSES, MESSAGES)
    if api != own
]
every_pair = pytest.mark.parametrize(("client", "api"), PAIRS)


def streams(*pieces: bytes, cut: bool = False) -> Answer:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in pieces:
            await asked.chunk(piece)
        await (asked.stream.aclose() if cut else asked.end_stream())

    return answer


def answers(body: dict[str, Any], status: int = 200) -> Answer:
    async def answer(asked: Asked) -> None:
        await asked.answer(json.dumps(body).encode(), status=status)

    return answer


def serving(base_url: str, *apis: str) -> dict[str, Any]:
    models = [{"id": "m", "base_url": base_url, "api": api} for api in apis]
    return {"model-proxy": {"models": models}}


async def ask(client: Client, name: str, *, stream: bool = False, **more: Any) -> None:
    body = {**BODIES[name], "stream": stream, **more}
    await client.call(PATHS[name], PATHS[name], json.dumps(body).encode())


def told(client: Client) -> str:
    return client.body.decode()


def looks_whole(name: str, body: str) -> bool:
    """Say whether a stream has the end that its API gives to answers which are whole."""
    ends = {"chat": "[DONE]", "responses": "response.completed", "messages": "message_stop"}
    return ends[name] in body


@every_pair
async def test_an_answer_in_one_piece_is_streamed_to_who_wants_a_stream(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[api])) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
    assert (asking.status, asking.headers["content-type"]) == (200, "text/event-stream")
    assert "Good day." in told(asking)
    assert looks_whole(client, told(asking))


@every_pair
async def test_a_stream_is_gathered_for_who_wants_one_piece(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(streams(*SAID[api], *END[api])) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client)
    assert (asking.status, asking.headers["content-type"]) == (200, "application/json")
    assert "Good day." in told(asking)
    assert isinstance(json.loads(asking.body), dict)


@every_pair
@pytest.mark.parametrize("cut", [False, True])
async def test_an_answer_that_stops_in_the_middle_never_looks_whole(
    client: str, api: str, cut: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(streams(*SAID[api], cut=cut)) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
            gathered = Client(home)
            await ask(gathered, client)
    assert asking.status == 200
    assert "Good " in told(asking)
    assert '"error"' in told(asking)
    assert not looks_whole(client, told(asking))
    assert (gathered.status, "Good" in told(gathered)) == (502, False)


@every_pair
async def test_the_upstreams_error_in_the_middle_is_told_in_the_clients_words(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    error = {"type": "overloaded_error", "message": "too much to do"}
    event = {"type": "error", "error": error} if api != CHAT else {"error": error}
    heard = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(b"".join(SAID[api]))
        await heard.wait()  # before that there could still be another answer
        await asked.chunk(b"".join(sse(event)))
        await asked.end_stream()

    async with upstreaming(answer) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home, on_body=lambda _: heard.set())
            await ask(asking, client, stream=True)
    events = told(asking).strip().split("\n\n")
    last = events[-2 if client == "responses" else -1]  # which has another one for Codex behind it
    assert "too much to do" in last
    assert "too much to do" in events[-1]
    assert last.startswith("data: " if client == "chat" else "event: error\ndata: ")
    assert not looks_whole(client, told(asking))


@every_pair
async def test_an_error_before_the_answer_has_the_status_it_amounts_to(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    error = {"type": "rate_limit_error", "message": "not so fast"}
    event = {"type": "error", "error": error} if api != CHAT else {"error": error}
    async with upstreaming(streams(*sse(event))) as up:
        config = serving(up.base_url, api)
        config["model-proxy"]["total_timeout"] = "1s"
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
    assert asking.status == 429
    assert "not so fast" in told(asking)


@every_pair
async def test_a_malformed_event_is_cut_out_and_what_may_miss_it_has_no_end(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    first, *rest = SAID[api]
    bad = b'data: {"choices": [{"del\n\n'
    async with upstreaming(streams(first, bad, *rest, *END[api])) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
    assert "day." in told(asking)
    assert "could not be read" in told(asking)
    assert not looks_whole(client, told(asking))


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("lost", [False, True])
async def test_where_events_are_numbered_a_hole_is_told_from_what_was_none_of_them(
    client: str, lost: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    events = [*SAID[RESPONSES], *END[RESPONSES]]
    numbered = [
        event.replace(b"data: {", b'data: {"sequence_number": %d, ' % (at + (lost and at > 1)))
        for at, event in enumerate(events)
    ]
    numbered.insert(2, b'data: {"oops\n\n')
    async with upstreaming(streams(*numbered)) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, RESPONSES))
        async with node as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
    assert "day." in told(asking)
    assert looks_whole(client, told(asking)) is not lost


async def test_a_stream_with_a_hole_is_not_gathered(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    pieces = [*SAID[CHAT], b"data: {\n\n", *END[CHAT]]
    async with upstreaming(streams(*pieces)) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, CHAT))
        async with node as home:
            asking = Client(home)
            await ask(asking, "messages")
    assert asking.status == 502
    assert "could not be read" in told(asking)


@every_pair
async def test_what_is_no_answer_of_the_upstreams_api_is_an_error(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers({"hello": "world"})) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client)
    assert asking.status == 502


@pytest.mark.parametrize(
    ("client", "api", "more", "param"),
    [
        ("chat", MESSAGES, {"n": 2}, "n"),
        ("responses", MESSAGES, {"max_tool_calls": 1}, "max_tool_calls"),
        ("responses", CHAT, {"background": True}, "background"),
        ("messages", CHAT, {"container": "c"}, "container"),
        ("chat", MESSAGES, {"something_new": 1}, "something_new"),
        ("responses", MESSAGES, {"tools": [{"type": "web_search"}]}, "tools[0]"),
    ],
)
async def test_what_the_upstreams_api_does_not_carry_is_refused_by_name(
    client: str,
    api: str,
    more: dict[str, Any],
    param: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    async with upstreaming(answers(WHOLE[api])) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, api))
        async with node as home:
            asking = Client(home)
            await ask(asking, client, **more)
    assert asking.status == 400
    assert param in asking.error["message"]
    if client != "messages":
        assert asking.error["param"].startswith(param)
        assert asking.error["code"] == "cannot_convert"
    assert up.asked == []


async def test_what_one_upstream_does_not_carry_goes_to_one_that_does(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[CHAT])) as up:
        config = serving(up.base_url, MESSAGES, CHAT)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", n=1, seed=7)
    assert asking.status == 200
    [asked] = up.asked
    assert json.loads(asked.body)["seed"] == 7


@pytest.mark.parametrize(
    ("more", "role", "limit"),
    [
        ({}, "system", "max_completion_tokens"),
        ({"developer_role": True, "max_tokens_field": "max_tokens"}, "developer", "max_tokens"),
    ],
)
async def test_a_chat_upstream_is_asked_in_its_own_dialect(
    more: dict[str, Any],
    role: str,
    limit: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    async with upstreaming(answers(WHOLE[CHAT])) as up:
        config = serving(up.base_url, CHAT)
        config["model-proxy"]["models"][0] |= more
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "responses", instructions="Be kind.", max_output_tokens=77)
    assert asking.status == 200
    sent = json.loads(up.asked[0].body)
    assert sent["messages"][0] == {"role": role, "content": "Be kind."}
    assert {name for name in sent if "tokens" in name} == {limit}
    assert sent[limit] == 77


async def test_what_it_took_is_converted(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
    counts = {"id": "c1", "model": "m", "choices": [], "usage": usage}
    events = sse(chunk("Good day."), chunk(None, "stop"), counts, "[DONE]")
    async with upstreaming(streams(*events)) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, CHAT))
        async with node as home:
            asking = Client(home)
            await ask(asking, "messages", stream=True)
    [delta] = [
        json.loads(line.removeprefix("data: "))
        for line in told(asking).splitlines()
        if line.startswith("data: ") and '"message_delta"' in line
    ]
    assert (delta["usage"]["input_tokens"], delta["usage"]["output_tokens"]) == (11, 2)


async def test_tokens_are_counted_by_asking_for_one(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 1, "total_tokens": 12}
    async with upstreaming(answers({**WHOLE[CHAT], "usage": usage})) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, CHAT))
        async with node as home:
            asking = Client(home)
            path = "/v1/messages/count_tokens"
            await asking.call(
                path, path, b'{"model":"m","messages":[{"role":"user","content":"a"}]}'
            )
    assert json.loads(asking.body) == {"input_tokens": 11}
    assert json.loads(up.asked[0].body)["max_completion_tokens"] == 1


async def test_an_upstream_that_does_not_count_is_no_answer(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[CHAT])) as up:
        node = node_factory("home", built_in=ALONE, config=serving(up.base_url, CHAT))
        async with node as home:
            asking = Client(home)
            path = "/v1/messages/count_tokens"
            await asking.call(
                path, path, b'{"model":"m","messages":[{"role":"user","content":"a"}]}'
            )
    assert asking.status == 502
    assert "how many tokens" in asking.error["message"]
