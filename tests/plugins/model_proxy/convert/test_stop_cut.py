"""Answers cut where they have to stop, as streams and in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.stop_cut import StopReader, cut_answer
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Gathered,
    NeutralAnswer,
    Open,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.codec import Unsupported
from tests.plugins.model_proxy.convert.fit.converting import bridge, sent, streamed
from tests.plugins.model_proxy.convert.test_one_call import Events

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Event

STOP = "Observation:"


def read(events: list[Event], *stops: str) -> list[Event]:
    reader = StopReader(Events(), stops or (STOP,), lambda: 7)
    found = [one for event in events for one in reader.read({"events": [event]})]
    assert reader.finished
    return [*found, *reader.done()]


def whole(*blocks: Block, reason: Any = "stop", usage: Usage | None = None) -> NeutralAnswer:
    return NeutralAnswer("a", "m", 1, blocks, reason, usage)


def texts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def gathered(events: list[Event]) -> NeutralAnswer:
    answer = Gathered()
    for event in events:
        answer.take(event)
    return answer.answer()


def pieces(*words: str, index: int = 0) -> list[Event]:
    return [Open(index, "text"), *(Delta(index, word) for word in words), Close(index)]


END: list[Event] = [Finish("stop", Usage(3, 9)), Completed()]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 99])
def test_a_text_is_cut_at_the_sequence_over_the_borders_of_its_pieces(size: int) -> None:
    text = "Thought: look.\nObs. Observation: nothing"
    words = [text[at : at + size] for at in range(0, len(text), size)]
    events = read([Begin("a"), *pieces(*words), *END])
    assert texts(events) == "Thought: look.\nObs. "
    assert events[-3:-1] == [Close(0), Finish("stop_sequence", Usage(7, 5, estimated=True), STOP)]
    assert events[-1] == Completed()
    assert sum(isinstance(event, Completed) for event in events) == 1


def test_a_text_without_the_sequence_comes_as_it_is() -> None:
    events = [Begin("a"), *pieces("All Obser", "ved, Observation"), *END]
    found = read(events)
    assert gathered(found) == gathered(events)
    assert found[-2:] == END


def test_a_sequence_over_two_blocks_of_text_is_found() -> None:
    events = read([Begin(), *pieces("so Obser"), *pieces("vation: x", index=1), *END])
    assert [e for e in events if isinstance(e, Open | Delta | Close)] == [
        Open(0, "text"),
        Delta(0, "so "),
        Close(0),
    ]


def test_what_was_held_back_between_two_blocks_comes_where_it_belongs() -> None:
    events = [Begin(), *pieces("so Obser"), *pieces("ver", index=1), *END]
    assert gathered(read(events)) == gathered(events)


ARGUMENTS = json.dumps({"text": f"{STOP} this is an argument"})
CALL: list[Event] = [Open(0, "tool", "c", "f"), Delta(0, ARGUMENTS), Close(0)]


def test_a_sequence_in_the_arguments_of_a_call_cuts_nothing() -> None:
    made = bridge("chat", "responses", {"stop": [STOP]})
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ARGUMENTS}
    body = {"id": "r", "model": "m", "status": "completed", "output": [call]}
    answer = json.loads(made.whole(json.dumps(body).encode()))
    [choice] = answer["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == ARGUMENTS
    assert choice["finish_reason"] == "tool_calls"
    events = [Begin(), *CALL, Finish("tool_calls"), Completed()]
    assert read(events) == events


def test_a_sequence_in_a_thought_or_a_refusal_cuts_nothing() -> None:
    blocks = (Block("reasoning", f"a {STOP} b"), Block("refusal", STOP), Block("text", "Hi"))
    events = events_of(whole(*blocks))
    assert read(events) == events


def test_calls_before_the_cut_are_whole_and_are_what_the_client_is_told_of() -> None:
    events = read([Begin(), *CALL, *pieces(f"and {STOP} x", index=1), *END])
    answer = gathered(events)
    assert [block.text for block in answer.blocks] == [ARGUMENTS, "and "]
    assert (answer.reason, answer.stop_sequence) == ("tool_calls", None)


def test_a_call_that_is_under_way_at_the_cut_comes_to_its_end() -> None:
    half = len(ARGUMENTS) // 2
    events = read(
        [
            Begin(),
            Open(0, "tool", "c", "f"),
            Delta(0, ARGUMENTS[:half]),
            Open(1, "text"),
            Delta(1, f"and {STOP}"),
            Delta(0, ARGUMENTS[half:]),
            Delta(1, "more"),
            Close(0),
            Open(2, "tool", "d", "g"),
            Close(2),
            *END,
        ]
    )
    answer = gathered(events)
    assert [block.text for block in answer.blocks] == [ARGUMENTS, "and "]
    assert events[-1] == Completed()
    failed: list[Event] = [Open(0, "tool", "c", "f"), *pieces(STOP, index=1), Failed("broken")]
    assert read([Begin(), *failed])[-1] == Failed("broken")


def test_arguments_that_come_while_text_is_held_back_pass_it() -> None:
    events: list[Event] = [
        Begin(),
        Open(0, "tool", "c", "f"),
        Open(1, "text"),
        Delta(1, "Observ"),
        Delta(0, "{}"),
        Close(0),
        Delta(1, "ation: x"),
        *END,
    ]
    found = read(events)
    assert [block.text for block in gathered(found).blocks] == ["{}", ""]


def test_what_was_held_back_comes_before_an_error() -> None:
    events: list[Event] = [Begin(), Open(0, "text"), Delta(0, "Obs"), Failed("broken")]
    assert read(events) == events


def test_of_two_sequences_the_one_that_ends_first_counts() -> None:
    events = read([Begin(), *pieces("a", "b", "c", "d", "e"), *END], "bcde", "cd")
    assert texts(events) == "ab"
    [finish] = [event for event in events if isinstance(event, Finish)]
    assert finish.stop_sequence == "cd"


def test_logprobs_are_those_of_the_tokens_that_come() -> None:
    tokens: list[dict[str, Any]] = [{"token": word} for word in ("Good ", "day.", "END", " no")]
    events = read([Begin(), Open(0, "text"), Delta(0, "Good day.END no", tokens), *END], "END")
    assert [e for e in events if isinstance(e, Delta)] == [Delta(0, "Good day.", tokens[:2])]


def test_what_an_upstream_said_at_the_beginning_is_told_and_the_rest_is_an_estimate() -> None:
    begin = Begin(usage=Usage(100, 1, cached=60))
    events = read([begin, *pieces("12345", STOP), *END])
    [finish] = [event for event in events if isinstance(event, Finish)]
    assert finish.usage == Usage(100, 2, cached=60, estimated=True)


def test_an_answer_in_one_piece_took_what_the_upstream_says() -> None:
    usage = Usage(10, 50)
    answer = whole(Block("text", f"Hi {STOP} there"), Block("text", "more"), usage=usage)
    cut = cut_answer(answer, (STOP,), lambda: 7)
    assert cut.blocks == (Block("text", "Hi "),)
    assert (cut.reason, cut.stop_sequence, cut.usage) == ("stop_sequence", STOP, usage)
    unsaid = cut_answer(whole(Block("text", STOP)), (STOP,), lambda: 7)
    assert unsaid.usage == Usage(7, 0, estimated=True)
    untouched = whole(Block("text", "Hi"))
    assert cut_answer(untouched, (STOP,), lambda: 7) is untouched


@given(st.lists(st.text("abX", max_size=6), max_size=5), st.sampled_from(["X", "ab", "abX"]))
def test_in_pieces_and_in_one_piece_the_answer_is_the_same(words: list[str], stop: str) -> None:
    answer = whole(*(Block("text", word) for word in words))
    events: list[Event] = [Begin("a", "m", 1)]
    for at, word in enumerate(words):
        events += pieces(*word, index=at)
    found = gathered(read([*events, *END], stop))
    cut = cut_answer(answer, (stop,), lambda: 7)
    assert found.blocks == cut.blocks
    assert found.reason == cut.reason


# --- between two APIs


def said(*words: str) -> bytes:
    """Return a stream of Responses without its end."""
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
    ]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def test_a_chat_clients_stream_ends_at_the_sequence_although_the_upstreams_goes_on() -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    made = bridge("chat", "responses", {"stop": [STOP, "\n\n"], **options})
    out, converted = streamed(made, said("Think.", " Obser", "vation", ": no", " more"))
    events = [json.loads(one[6:]) for one in out.decode().split("\n\n") if one[6:7] == "{"]
    choices = [event["choices"][0] for event in events if event["choices"]]
    assert "".join(one["delta"].get("content") or "" for one in choices) == "Think. "
    assert choices[-1]["finish_reason"] == "stop"
    usage = events[-1]["usage"]
    assert (usage["completion_tokens"], usage["estimated"]) == (2, True)
    assert out.endswith(b"data: [DONE]\n\n")
    assert converted.over


def test_a_messages_client_is_told_which_sequence_it_was() -> None:
    made = bridge("messages", "responses", {"stop_sequences": ["###", STOP], "stream": True})
    out, _ = streamed(made, said("a", "#", "##", "b"))
    assert b'"stop_reason":"stop_sequence","stop_sequence":"###"' in out
    assert out.count(b"message_stop") == 2  # the name of the event, and its type


def test_sequences_that_an_upstream_does_not_take_are_cut_here_and_the_others_sent() -> None:
    many = ["1", "2", "3", "4", "5"]
    assert sent("messages", "chat", {"stop_sequences": many})["stop"] == many[:4]
    made = bridge("messages", "chat", {"stop_sequences": many})
    assert made.fit is not None
    assert made.fit.stops == ("5",)
    blank = {"stop": ["\n", "END", " \t"]}
    assert sent("chat", "messages", blank)["stop_sequences"] == ["END"]
    made = bridge("chat", "messages", blank)
    assert made.fit is not None
    assert made.fit.stops == ("\n", " \t")
    assert "stop" not in sent("chat", "responses", {"stop": ["a", "", "b"]})


@pytest.mark.parametrize(
    ("client", "upstream", "body", "param"),
    [
        ("chat", "responses", {"stop": "END"}, "stop"),
        ("messages", "responses", {"stop_sequences": ["END"]}, "stop_sequences"),
        ("chat", "messages", {"stop": ["\n"]}, "stop"),
    ],
)
def test_a_strict_model_refuses_what_its_upstream_does_not_cut_at(
    client: str, upstream: str, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        bridge(client, upstream, body, strict=True)
    assert refused.value.param == param


def test_an_empty_sequence_stops_nothing() -> None:
    made = bridge("chat", "responses", {"stop": [""]}, strict=True)
    assert made.fit is not None
    assert made.fit.stops == ()
