"""JSON objects from an API that has no wish for them: another answer is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawmatrix_model_proxy.convert.json_check import JsonReader, checked_json
from clawmatrix_model_proxy.neutral.answer import (
    Block,
    Completed,
    Failed,
    NeutralAnswer,
    events_of,
)
from clawmatrix_model_proxy.neutral.codec import Unsupported, UpstreamError
from tests.plugins.model_proxy.convert.fit.converting import bridge, sent, streamed
from tests.plugins.model_proxy.convert.test_one_call import Events

ASKED: dict[str, dict[str, Any]] = {
    "chat": {"response_format": {"type": "json_object"}},
    "responses": {"text": {"format": {"type": "json_object"}}},
}
GOOD = ['{"a": 1}', ' \n{"a": {"b": []}}\n', "{}", '{"é": "\\u00fc"}']
BAD = [
    "Sure! Here it is.",
    '```json\n{"a": 1}\n```',
    '{"a": 1',
    '{"a": 1} {"b": 2}',
    "[1, 2]",
    '"a"',
    "42",
    "",
    "{'a': 1}",
]


def answer(*texts: str, reason: Any = "stop", kind: Any = "text") -> NeutralAnswer:
    return NeutralAnswer("a", "m", 1, tuple(Block(kind, one) for one in texts), reason)


def read(whole: NeutralAnswer) -> list[Any]:
    reader = JsonReader(Events())
    found = [one for event in events_of(whole) for one in reader.read({"events": [event]})]
    assert reader.finished
    return [*found, *reader.done()]


@pytest.mark.parametrize("text", GOOD)
def test_a_json_object_is_an_answer(text: str) -> None:
    assert checked_json(answer(text)) == answer(text)
    assert read(answer(text)) == events_of(answer(text))


def test_an_object_may_come_in_several_blocks() -> None:
    assert checked_json(answer('{"a":', " 1}")) == answer('{"a":', " 1}")
    assert read(answer('{"a":', " 1}"))[-1] == Completed()


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_json_object_is_no_answer(text: str) -> None:
    with pytest.raises(UpstreamError, match="not the JSON object"):
        checked_json(answer(text))
    *before, last = read(answer(text))
    assert isinstance(last, Failed)
    assert Completed() not in before


@pytest.mark.parametrize("reason", ["length", "tool_calls", "content_filter", "refusal", "pause"])
def test_an_answer_that_says_why_it_is_no_json_passes(reason: Any) -> None:
    cut = answer('{"a":', reason=reason)
    assert checked_json(cut) == cut
    assert read(cut) == events_of(cut)


def test_a_thought_is_no_part_of_the_json() -> None:
    blocks = (Block("reasoning", "I'd say {"), Block("text", "{}"))
    thought = NeutralAnswer("a", "m", 1, blocks, "stop")
    assert checked_json(thought) == thought
    assert read(thought) == events_of(thought)


@pytest.mark.parametrize("client", ASKED)
def test_nothing_is_added_to_the_prompt(client: str) -> None:
    told = sent(client, "messages", ASKED[client])
    assert told == sent(client, "messages", {})
    for other in ("chat", "responses"):
        assert told != sent(client, other, ASKED[client])  # which have a place for the wish


@pytest.mark.parametrize("client", ASKED)
def test_a_strict_model_refuses_json_without_a_schema(client: str) -> None:
    with pytest.raises(Unsupported) as refused:
        bridge(client, "messages", ASKED[client], strict=True)
    assert refused.value.param == {"chat": "response_format", "responses": "text.format"}[client]


def message(text: str) -> bytes:
    block = {"type": "text", "text": text}
    rest = {"role": "assistant", "stop_reason": "end_turn", "usage": {}}
    return json.dumps({"id": "m1", "model": "m", "content": [block], **rest}).encode()


@pytest.mark.parametrize("client", ASKED)
def test_a_stream_that_is_no_json_ends_in_an_error(client: str) -> None:
    made = bridge(client, "messages", {**ASKED[client], "stream": True})
    good = made.streamed(message('{"a": 1}'))
    assert b"[DONE]" in good or b"response.completed" in good
    with pytest.raises(UpstreamError):
        made.streamed(message("no"))
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta = {"type": "text_delta", "text": "Sure!"}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {}}},
        start,
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    out, converted = streamed(made, stream)
    assert converted.error["code"] == "answer_not_json"
    assert b"Sure!" in out
    assert b"answer_not_json" in out
    assert b"[DONE]" not in out
    assert b"response.completed" not in out
