"""Answers in another form than was asked for: another type, or whole in place of a stream."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    END,
    MESSAGES,
    RESPONSES,
    SAID,
    WHOLE,
    ask,
    chunk,
    looks_whole,
    sse,
    told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Answer, Asked, Upstream, Upstreaming

pytestmark = pytest.mark.anyio

OWN = [("chat", CHAT), ("responses", RESPONSES), ("messages", MESSAGES)]
OTHERS = [("messages", CHAT), ("chat", RESPONSES), ("responses", MESSAGES)]
every = pytest.mark.parametrize(("client", "api"), [*OWN, *OTHERS])
both_forms = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def sends(body: bytes, type_: str | None, *, cut: bool = False) -> Answer:
    """Return an upstream that sends a body in two pieces, under a content type or none."""

    async def answer(asked: Asked) -> None:
        typed = "" if type_ is None else f"content-type: {type_}\r\n"
        size = len(body) + 9 * cut
        await asked.send(f"HTTP/1.1 200 X\r\n{typed}content-length: {size}\r\n\r\n".encode())
        await asked.send(body[:3])
        await asked.send(body[3:])
        if cut:
            await asked.stream.aclose()

    return answer


@asynccontextmanager
async def two(
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    answer: Answer,
    api: str,
    *,
    alone: bool = False,
) -> AsyncIterator[tuple[Client, Upstream, Upstream]]:
    """Give a client of a node with two upstreams, the second a good one that is asked if at all."""
    good = sends(b"".join([*SAID[CHAT], *END[CHAT]]), "text/event-stream")
    async with upstreaming(answer) as up, upstreaming(good) as spare:
        models = [
            {"id": "m", "base_url": up.base_url, "api": api},
            {"id": "m", "base_url": spare.base_url, "api": CHAT},
        ]
        config = {"model-proxy": {"models": models[:1] if alone else models}}
        async with node_factory("home", built_in=ALONE, config=config) as home:
            yield Client(home), up, spare


@every
@pytest.mark.parametrize(
    "type_",
    ["application/json", "application/x-ndjson", "text/plain; charset=utf-8", "text/html", None],
)
@both_forms
async def test_events_are_known_whatever_their_type(
    client: str,
    api: str,
    type_: str | None,
    *,
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    answer = sends(b"\n: hello\n\n" + b"".join([*SAID[api], *END[api]]), type_)
    async with two(node_factory, upstreaming, answer, api) as (asking, up, spare):
        await ask(asking, client, stream=stream)
    assert (asking.status, len(up.asked), len(spare.asked)) == (200, 1, 0), told(asking)
    assert "Good" in told(asking)
    if stream:
        assert asking.headers["content-type"].startswith("text/event-stream")
        assert looks_whole(client, told(asking))
    else:
        assert asking.headers["content-type"] == "application/json"
        assert "Good day." in json.dumps(json.loads(asking.body))


@every
@pytest.mark.parametrize("type_", ["application/json", "text/event-stream", None])
@both_forms
async def test_json_is_known_whatever_its_type(
    client: str,
    api: str,
    type_: str | None,
    *,
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    answer = sends(b"  \n" + json.dumps(WHOLE[api], indent=1).encode(), type_)
    async with two(node_factory, upstreaming, answer, api) as (asking, up, spare):
        await ask(asking, client, stream=stream)
    assert (asking.status, len(up.asked), len(spare.asked)) == (200, 1, 0), told(asking)
    assert "Good day." in told(asking)
    if stream:
        assert asking.headers["content-type"].startswith("text/event-stream")
        assert looks_whole(client, told(asking))
    else:
        assert asking.headers["content-type"] == "application/json"
        assert isinstance(json.loads(asking.body), dict)


@pytest.mark.parametrize(("client", "api"), OWN)
@both_forms
async def test_half_an_answer_in_the_other_form_is_none(
    client: str,
    api: str,
    *,
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    body = json.dumps(WHOLE[api]).encode()[:-9] if stream else b"".join(SAID[api])
    for cut in (False, True):
        async with two(node_factory, upstreaming, sends(body, None, cut=cut), api) as found:
            asking, _, spare = found
            await ask(asking, client, stream=stream)
        assert len(spare.asked) == 1, told(asking)
        assert "Good" in told(asking)


ERRORS: dict[str, bytes] = {
    "bare": b'{"error": {"message": "no memory left", "code": 500}}',
    "bare, on several lines": b'{\n "error": {\n "message": "no memory left"}\n}\n',
    "a text": b'data: {"error": "no memory left"}\n\n',
    "without an end": b'data: {"error": {"message": "no memory left"}}',
    "no data": b"error: no memory left\n\n",
    "no data, JSON": b'error: {"message": "no memory left"}',
    "behind a comment": b': processing\n\n{"error": {"message": "no memory left"}}',
    "a detail": b'data: {"detail": "no memory left"}\n\n',
    "a bare detail": b'{"detail": "no memory left"}',
    "a list of details": b'data: {"detail": [{"msg": "no memory left"}]}\n\ndata: [DONE]\n\n',
    "a message": b'data: {"code": "OutOfMemory", "message": "no memory left"}\n\n',
    "by its name": b"event: error\ndata: no memory left\n\n",
    "a status in the body": b'{"base_resp": {"status_code": 1013, "status_msg": "no memory left"}}',
    "of a kind": b'data: {"object": "error", "message": "no memory left"}\n\n',
}


@pytest.mark.parametrize(("client", "api"), [("chat", CHAT), ("messages", CHAT), *OWN[1:]])
@pytest.mark.parametrize("body", ERRORS.values(), ids=list(ERRORS))
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with another"])
async def test_an_error_in_place_of_a_stream_is_told_or_another_candidate_is_asked(
    client: str,
    api: str,
    body: bytes,
    *,
    alone: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    answer = sends(body, "text/event-stream")
    async with two(node_factory, upstreaming, answer, api, alone=alone) as (asking, _, spare):
        await ask(asking, client, stream=True)
    if alone:
        assert asking.status >= 500
        assert "no memory left" in told(asking)
        assert spare.asked == []
    else:
        assert looks_whole(client, told(asking)), told(asking)
        assert len(spare.asked) == 1


STRAY = ("a detail", "a list of details", "a message", "no data, JSON", "a text")


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
@pytest.mark.parametrize("name", STRAY)
async def test_an_error_in_the_middle_of_a_chat_stream_is_no_end_though_it_is_marked_so(
    client: str, name: str, *, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    said = chunks({"content": "Half"})
    answer = sends(said + ERRORS[name].strip() + b"\n\ndata: [DONE]\n\n", "text/event-stream")
    async with two(node_factory, upstreaming, answer, CHAT, alone=True) as (asking, _, _):
        await ask(asking, client, stream=True)
    assert "Half" in told(asking)
    assert "no memory left" in told(asking)
    assert not looks_whole(client, told(asking)), told(asking)


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
async def test_words_behind_the_reason_of_an_end_take_back_nothing(
    client: str, *, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    said = chunks({"content": "All"}, finish="stop")
    words = b'data: {"message": "bye"}\n\ndata: [DONE]\n\n'
    answer = sends(said + words, "text/event-stream")
    async with two(node_factory, upstreaming, answer, CHAT, alone=True) as (asking, _, _):
        await ask(asking, client, stream=True)
    assert looks_whole(client, told(asking)), told(asking)


def chunks(*deltas: dict[str, str], finish: str | None = None) -> bytes:
    """Return a stream of chat completions, with an end of its own where ``finish`` says why."""
    parts: list[tuple[dict[str, str], str | None]] = [(delta, None) for delta in deltas]
    if finish is not None:
        parts.append(({}, finish))
    choices = [{"index": 0, "delta": delta, "finish_reason": end} for delta, end in parts]
    events = [{"id": "c1", "model": "m", "choices": [choice]} for choice in choices]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


async def test_every_field_of_a_chat_answer_is_in_the_stream_that_is_made_of_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "Look:",
        "images": [{"type": "image_url", "image_url": {"url": "data:,x"}}],
        "annotations": [{"type": "url_citation"}],
        "tool_calls": [call, {**call, "id": "d"}],
    }
    choices = [
        {"index": n, "message": message, "finish_reason": "tool_calls", "logprobs": None}
        for n in (0, 1)
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    body = {"id": "c1", "created": 5, "model": "m", "system_fingerprint": "fp", "usage": usage}
    answer = sends(json.dumps({**body, "choices": choices}).encode(), "application/json")
    async with two(node_factory, upstreaming, answer, CHAT) as (asking, _, _):
        await ask(asking, "chat", stream=True, stream_options={"include_usage": True})
    events = [json.loads(event[6:]) for event in told(asking).split("\n\n")[:-2]]
    assert {event["system_fingerprint"] for event in events} == {"fp"}
    first, last = events[0]["choices"][0], events[1]["choices"][0]
    numbered = [{"index": n, **one} for n, one in enumerate(message["tool_calls"])]
    assert first["delta"] == {**message, "tool_calls": numbered}
    assert (last["delta"], last["finish_reason"]) == ({}, "tool_calls")
    assert [event["choices"][0]["index"] for event in events[:4]] == [0, 0, 1, 1]
    assert (events[4]["choices"], events[4]["usage"]) == ([], usage)


async def test_every_field_of_a_chat_stream_is_in_the_answer_that_is_made_of_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    def piece(index: int | None, **call: Any) -> dict[str, Any]:
        numbered = call if index is None else {"index": index, **call}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [numbered]}}]}

    events = [
        chunk("Lo"),
        {**chunk("ok"), "choices": [{"index": 0, "delta": {"images": [1]}}]},
        {**chunk("ok"), "choices": [{"index": 0, "delta": {"images": [2], "content": "ok"}}]},
        piece(0, id="a", function={"name": "f", "arguments": '{"x"'}),
        piece(0, function={"arguments": ":1}"}),
        piece(0, id="b", function={"name": "g", "arguments": "{}"}),
        {**chunk(None, "tool_calls"), "usage": {"total_tokens": 3}},
    ]
    answer = sends(b"".join(sse(*events, "[DONE]")), "text/event-stream")
    async with two(node_factory, upstreaming, answer, CHAT) as (asking, _, _):
        await ask(asking, "chat")
    body = json.loads(asking.body)
    [choice] = body["choices"]
    calls = [call["function"] for call in choice["message"]["tool_calls"]]
    assert (body["id"], body["object"], body["usage"]["total_tokens"]) == (
        "c1",
        "chat.completion",
        3,
    )
    assert (choice["message"]["content"], choice["message"]["images"]) == ("Look", [1, 2])
    assert calls == [{"name": "f", "arguments": '{"x":1}'}, {"name": "g", "arguments": "{}"}]
    assert choice["finish_reason"] == "tool_calls"


async def test_blocks_of_a_message_stand_whole_in_the_stream_and_back(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    content = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "1", "content": [{"title": "t"}]},
        {"type": "text", "text": "So.", "citations": [{"cited_text": "t"}]},
        {"type": "tool_use", "id": "2", "name": "f", "input": {"a": [1]}},
    ]
    whole = {**WHOLE[MESSAGES], "type": "message", "content": content, "stop_reason": "tool_use"}
    answer = sends(json.dumps(whole).encode(), "application/json")
    async with two(node_factory, upstreaming, answer, MESSAGES) as (asking, _, _):
        await ask(asking, "messages", stream=True)
    async with two(node_factory, upstreaming, sends(asking.body, None), MESSAGES) as found:
        again, _, _ = found
        await ask(again, "messages")
    body = json.loads(again.body)
    assert body["content"] == content
    assert (body["stop_reason"], body["usage"]) == ("tool_use", whole["usage"])


async def test_items_of_a_response_stand_whole_in_the_stream_and_back(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    output = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "web_search_call", "id": "w", "status": "completed"},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
        *WHOLE[RESPONSES]["output"],
    ]
    whole = {**WHOLE[RESPONSES], "output": output}
    answer = sends(json.dumps(whole).encode(), "application/json")
    async with two(node_factory, upstreaming, answer, RESPONSES) as (asking, _, _):
        await ask(asking, "responses", stream=True)
    events = [json.loads(part.partition("data: ")[2]) for part in told(asking).split("\n\n")[:-1]]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["item"] for event in events if "output_item.done" in event["type"]] == output
    async with two(node_factory, upstreaming, sends(asking.body, None), RESPONSES) as found:
        again, _, _ = found
        await ask(again, "responses")
    assert json.loads(again.body) == whole
