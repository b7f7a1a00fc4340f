"""Which bytes of an upstream's stream pass, however they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from clawmatrix_model_proxy.streams.sse import (
    EventTooLarge,
    WholeEvents,
    events_in,
)
from clawmatrix_model_proxy.streams.stages import Stage, chat_stage, messages_stage, responses_stage

if TYPE_CHECKING:
    from collections.abc import Callable

MAKING = Making(NeutralRequest("messages", ()), "m", 1, lambda letters: f"{letters}1")
SAID = b'data: {"choices": [{"delta": {"content": "x"}}]}'
ROLE = b'data: {"choices": [{"delta": {"role": "assistant"}}]}'
BAD = b'data: {"choices": ['
BROKEN = [
    BAD,
    b'data: "no',
    b"dbta" + SAID[4:],
    b":ata" + SAID[4:],
    b":" + SAID,
    b"event: x" + SAID,
    SAID + b"x" + SAID,
    b'{"choices": []}',
    b'x: {"a": 1}',
    b"data\n: " + SAID[6:],
]
"""What cannot be read; of some, a byte is all that was changed."""
KEPT_ALIVE = [
    b": OPENROUTER PROCESSING",
    b": ping - 2026-11-25 12:00:00.000000+00:00",
    b': {"type": "ping"}',
    b":",
    b"data:",
    b"data: ",
    b"data:   ",
    b"event: ping",
    b"event: ping\ndata:",
    b"event: two words\ndata:",
    b"retry: 3000",
    b"id: 7",
    b"id",
    b"data",
    b"   ",
    b"x-request-id: 5",
    b"data: null",
    b'data: "ping"',
    b"data: []",
    b"data: {}",
    b"<html>",
]
"""What servers say between events, and clients pass over."""
WORDS = [
    b"data: ping",
    b"data: : keepalive 50/200",
    b"data: : OPENROUTER PROCESSING",
    b"event: keepalive\ndata: keepalive",
    b"data: undefined",
]
"""What they say, and official clients break at: it does not pass."""
LAST = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}'


def feed(*pieces: bytes) -> tuple[bytes, PassthroughStream]:
    events = PassthroughStream(FORMATS["chat"])
    out = b"".join(events.feed(piece) for piece in pieces)
    return out + events.finish()[0], events


def events_of(events: WholeEvents, data: bytes) -> list[bytes]:
    """Return the whole events that have come with these bytes."""
    return [event for event, _ in events_in(events.feed(data))]


@pytest.mark.parametrize("mark", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_good_events_pass_byte_for_byte_and_bad_ones_are_cut_out_whole(mark: bytes) -> None:
    good = [ROLE, SAID, b": a comment", b"event: x\ndata: {}", b"id: 7\ndata: [1,\ndata: 2]"]
    good = [event.replace(b"\n", mark[: len(mark) // 2]) for event in good]
    out, events = feed(mark.join([*good, *BROKEN, *good, b""]))
    assert out == mark.join([*good, *good, b""])
    assert (events.malformed, events.cut_out.doubtful) == (len(BROKEN), True)
    assert feed(mark.join([*good, b"data: [DONE]", b""]))[1].cut_out.doubtful is False


@pytest.mark.parametrize("mark", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("word", [*KEPT_ALIVE, *WORDS])
def test_what_keeps_a_connection_alive_costs_no_answer(word: bytes, mark: bytes) -> None:
    events = [word, ROLE, word, SAID, word, LAST, word, b"data: [DONE]", b""]
    stream = PassthroughStream(FORMATS["chat"])
    out = stream.feed(mark.join(events))
    assert stream.finish() == (b"", Ending.DONE)
    passed = [one for one in events if one not in WORDS]
    assert out == mark.join(passed)
    client = messages.CODEC.writer(MAKING)
    converted = ConvertedStream(chat.CODEC.reader(), client, FORMATS["messages"])
    out = converted.feed(mark.join(events))
    assert converted.finish() == (b"", Ending.DONE)
    assert b"message_stop" in out


def test_a_call_with_a_hole_is_never_handed_over_as_whole() -> None:
    def piece(number: int, **call: Any) -> bytes:
        calls = [{"index": number, **call}]
        return json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).encode()

    begun = piece(0, id="a", function={"name": "sh", "arguments": '{"cmd": "rm -r /tmp'})
    events = [
        begun,
        b'{"cho',
        piece(0, function={"arguments": '"}'}),
        piece(1, id="b", function={"name": "ls", "arguments": "{}"}),
        LAST.replace(b"stop", b"tool_calls")[6:],
        b"[DONE]",
    ]
    stream = b"".join(b"data: " + event + b"\n\n" for event in events)
    for client, ended in (
        (messages.CODEC, b"content_block_stop"),
        (responses.CODEC, b"function_call_arguments.done"),
    ):
        converted = ConvertedStream(
            chat.CODEC.reader(), client.writer(MAKING), FORMATS[client.name]
        )
        out = converted.feed(stream)
        assert b"rm -r /tmp" in out
        assert ended not in out
        assert b"could not be read" in out
        assert converted.finish() == (b"", Ending.ERROR)


def test_a_hole_before_the_mark_of_the_end_ends_a_stream_at_once() -> None:
    client = messages.CODEC.writer(MAKING)
    converted = ConvertedStream(chat.CODEC.reader(), client, FORMATS["messages"])
    converted.feed(SAID + b"\n\n" + BAD + b"\n\ndata: [DONE]\n\n")
    assert converted.over
    assert "could not be read" in converted.error["message"]


@pytest.mark.parametrize("hole", [b"", BAD + b"\n\n"])
@pytest.mark.parametrize("error", [b"event: error\ndata: boom", b'data: {"object": "error"}'])
def test_an_error_behind_the_reason_of_the_end_is_one(hole: bytes, error: bytes) -> None:
    stream = PassthroughStream(FORMATS["chat"])
    stream.feed(b"\n\n".join([SAID, LAST, b""]) + hole + error + b"\n\n")
    assert stream.finish() == (b"", Ending.CUT)
    assert stream.error is not None


def test_a_hole_before_the_first_number_may_be_one() -> None:
    stream = PassthroughStream(FORMATS["responses"])
    event = b'data: {"type": "response.output_text.delta", "delta": "x", "sequence_number": 0}\n\n'
    stream.feed(BAD + b"\n\n" + event + event)
    assert stream.cut_out.doubtful


@pytest.mark.parametrize("done", [b"[DONE] ", b" [DONE]", b"[done]", b"DONE", b'"[DONE]"', b"{"])
def test_behind_the_reason_of_the_end_nothing_can_be_lost(done: bytes) -> None:
    stream = PassthroughStream(FORMATS["chat"])
    good = b"\n\n".join([ROLE, SAID, LAST, b""])
    out = stream.feed(good + b"data: " + done + b"\n\n")
    rest, ending = stream.finish()
    assert ending in (Ending.FINISHED, Ending.DONE)
    assert (out + rest).startswith(good)
    stream = PassthroughStream(FORMATS["chat"])
    out = stream.feed(good + BAD + b"\n\ndata: [DONE]\n\n")
    assert stream.finish() == (b"data: [DONE]\n\n", Ending.FINISHED)
    assert out == good
    client = messages.CODEC.writer(MAKING)
    converted = ConvertedStream(chat.CODEC.reader(), client, FORMATS["messages"])
    out = converted.feed(good + b"data: " + done + b"\n\n")
    rest, ending = converted.finish()
    assert b"message_stop" in out + rest
    assert ending in (Ending.FINISHED, Ending.DONE)


@pytest.mark.parametrize("ends", [[LAST, b"data: [DONE]"], [b"data: [DONE]"], [LAST], []])
@pytest.mark.parametrize("broken", BROKEN)
def test_behind_what_cannot_be_read_there_is_no_end(broken: bytes, ends: list[bytes]) -> None:
    stream = PassthroughStream(FORMATS["chat"])
    out = stream.feed(b"\n\n".join([SAID, broken, SAID, *ends, b""]))
    assert stream.finish() == (b"", Ending.CUT)
    assert out == (SAID + b"\n\n") * 2
    assert stream.error["message"].startswith("an event of the upstream's answer could not be")


@pytest.mark.parametrize("broken", [BAD, b"event: content_block_delta"])
def test_what_is_cut_off_behind_the_reason_of_an_end_costs_nothing(broken: bytes) -> None:
    stream = PassthroughStream(FORMATS["chat"])
    whole = SAID + b"\n\n" + LAST + b"\n\n"
    assert stream.feed(whole + broken) == whole
    assert stream.finish() == (b"", Ending.FINISHED)
    assert stream.malformed == 0


def test_an_error_of_the_upstreams_own_is_told_behind_what_cannot_be_read() -> None:
    stream = PassthroughStream(FORMATS["chat"])
    stream.feed(SAID + b"\n\n" + BAD + b'\n\ndata: {"error": {"message": "full"}}\n\n')
    assert stream.finish() == (b"", Ending.ERROR)
    assert stream.error == {"message": "full"}


PING = b'data: {"type": "ping"}'
NAME = b"event: content_block_delta"
DELTA = b'data: {"type": "content_block_delta", "index": 0}'
NAMED = NAME + b"\n" + DELTA + b"\n\n"


@pytest.mark.parametrize(
    ("event", "passes"),
    [
        (NAME + b"\n" + DELTA, True),
        (b"event:content_block_delta\n" + DELTA, True),
        (b"id: 1\n" + DELTA + b"\n" + NAME, True),
        (NAMED + b"event: content_block_dxlta\n" + DELTA, False),
        (NAMED + NAME + b" \n" + DELTA, False),
        (NAMED + b"event: \n" + DELTA, False),
        (NAMED + DELTA, False),
        (NAMED + b"event: ping\ndata: {}", True),
        (NAMED + b"event: ping\ndata: 1", True),
        (NAMED + b"event: ping", True),
        (NAMED + b"event: Ping\n" + PING, True),
        (NAMED + PING, True),
        (NAMED + b'data: {"type": "keepalive"}', True),
        (NAMED + b"data: {}", True),
        (b"event: ping\n" + PING + b"\n\n" + DELTA, True),
        (b"event: message\n" + DELTA + b"\n\nevent: message\n" + DELTA, True),
        (DELTA, True),
    ],
)
def test_clients_that_go_by_names_get_none_that_is_wrong(event: bytes, passes: bool) -> None:
    stream = PassthroughStream(FORMATS["messages"])
    out = stream.feed(event + b"\n\n")
    assert (stream.malformed, stream.cut_out.doubtful) == (not passes, not passes)
    assert out == (event + b"\n\n" if passes else NAMED)


def test_a_stream_that_names_its_events_late_may_have_lost_a_name() -> None:
    stream = PassthroughStream(FORMATS["messages"])
    stream.feed(PING + b"\n\n" + NAMED)
    assert not stream.cut_out.doubtful
    stream = PassthroughStream(FORMATS["messages"])
    stream.feed(DELTA + b"\n\n" + NAMED)
    assert stream.cut_out.doubtful


@pytest.mark.parametrize("name", [b"", b"event: message_delta\n", b"event: message\n"])
def test_an_error_without_its_name_is_told(name: bytes) -> None:
    stream = PassthroughStream(FORMATS["messages"])
    error = {"type": "overloaded_error", "message": "Overloaded"}
    event = json.dumps({"type": "error", "error": error}).encode()
    stream.feed(NAMED + name + b"data: " + event + b"\n\n")
    assert stream.finish() == (b"", Ending.ERROR)
    assert stream.error == error


@given(st.data())
def test_however_the_bytes_are_split_the_same_events_come_out(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([ROLE, SAID, BAD, b": c", b"data: [DONE]"])))
    mark = data.draw(st.sampled_from([b"\n\n", b"\r\n\r\n"]))
    whole = b"".join(part + mark for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    out, events = feed(*pieces)
    together, at_once = feed(whole)
    assert out == together
    assert (events.begun, events.malformed) == (at_once.begun, at_once.malformed)


@pytest.mark.parametrize("mark", [b"\n\r\n", b"\r\n\n", b"\n\r", b"\r\n\r", b"\r\r\n"])
def test_no_event_is_lost_between_ends_of_lines_of_two_kinds(mark: bytes) -> None:
    stream = ROLE + mark + SAID + mark
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        out, _ = feed(*pieces)
        whole = WholeEvents()
        found = [data_of(event) for piece in pieces for event in events_of(whole, piece)]
        found.append(data_of(whole.rest().rstrip(b"\r\n")))
        assert (ROLE in out, SAID in out) == (True, True)
        assert [data for data in found if data] == [ROLE[6:], SAID[6:]]


def test_a_long_event_with_carriage_returns_is_looked_through_once() -> None:
    whole, line = WholeEvents(), b"data: 1\r\n"
    assert not any(whole.feed(line) for _ in range(20_000))
    assert events_of(whole, b"\r\n") == [(line * 20_000)[:-2]]


def test_text_that_is_no_utf8_is_cut_out_of_a_stream_that_has_begun() -> None:
    out, events = feed(SAID + b"\n\n", b'data: {"type": "error", "x": "\xff"}\n\n')
    assert out == SAID + b"\n\n"
    assert events.malformed == 1


@pytest.mark.parametrize("kind", ["[]", "{}", "5", "true"])
@pytest.mark.parametrize("stage", [chat_stage, responses_stage, messages_stage])
def test_a_type_that_is_no_word_does_no_harm(
    kind: str, stage: Callable[[dict[str, Any]], Stage]
) -> None:
    events = PassthroughStream(replace(FORMATS["chat"], stage=stage))
    event = b'data: {"type": %s}\n\n' % kind.encode()
    assert events.feed(event) == event


@given(st.binary(max_size=200))
def test_nothing_that_comes_makes_it_raise(noise: bytes) -> None:
    out, _ = feed(noise, SAID + b"\n\n", noise)
    for event in out.split(b"\n\n"):
        if event.startswith(b"data: {"):
            json.loads(event[6:].split(b"\n")[0].split(b"\r")[0] or b"{}")


@pytest.mark.parametrize(
    ("event", "begun"),
    [
        (b'{"choices": [{"delta": {"content": ""}}]}', False),
        (b'{"choices": []}', False),
        (b'{"choices": [{"delta": null}, 7]}', False),
        (b"[1]", False),
        (b'{"choices": [{"delta": {"tool_calls": [{}]}}]}', True),
        (b'{"choices": [{"delta": {"refusal": "no"}}]}', True),
        (b'{"choices": [{"delta": {}, "finish_reason": "length"}]}', True),
        (b"[DONE]", False),
    ],
)
def test_what_begins_an_answer(event: bytes, begun: bool) -> None:
    assert feed(b"data: " + event + b"\n\n")[1].begun is begun


def test_an_error_before_anything_else_is_kept() -> None:
    _, events = feed(ROLE + b"\n\n", b'data: {"error": {"message": "m"}}\n\n')
    assert events.error == {"message": "m"}
    assert not events.begun
    assert feed(SAID + b"\n\n", b'data: {"error": {}}\n\n')[1].error is None


ERRORS = [
    b'data: {"error": {"message": "boom"}}',
    b'event: error\ndata: {"error": {"message": "boom"}}',
    b'id: 7\nevent:error\ndata: {"message": "boom"}',
    b"event: error\ndata: boom",
    b'data: {"object": "error", "message": "boom", "code": 500}',
    b'error: {"code": 500, "message": "boom"}',
    b'{"error": {"message": "boom"}}',
    b'data: {"choices": [{"delta": {}, "finish_reason": "abort"}], "error": {"message": "boom"}}',
]


@pytest.mark.parametrize("error", ERRORS)
def test_nothing_passes_behind_an_error_whatever_its_shape(error: bytes) -> None:
    out, events = feed(SAID + b"\n\n", error + b"\n\n", SAID + b"\n\ndata: [DONE]\n\n")
    assert events.error["message"] == "boom"
    assert out in (SAID + b"\n\n", SAID + b"\n\n" + error + b"\n\n")
    assert (events.over, events.begun, events.malformed) == (True, True, 0)


def test_an_error_that_its_apis_clients_would_not_see_does_not_pass() -> None:
    passed = [feed(error + b"\n\n")[0] != b"" for error in ERRORS]
    assert passed == [True, True, False, False, False, False, False, True]


@pytest.mark.parametrize("reason", ["error", "abort", "network_error"])
def test_a_finish_reason_that_means_a_failure_is_an_error(reason: str) -> None:
    last = b'data: {"choices": [{"delta": {}, "finish_reason": "%b"}]}\n\n' % reason.encode()
    out, events = feed(SAID + b"\n\n", last, b"data: [DONE]\n\n")
    assert out == SAID + b"\n\n"
    assert events.error == {"message": f"the upstream broke off: {reason}"}


def test_nothing_passes_behind_the_end() -> None:
    out, events = feed(SAID + b"\n\ndata: [DONE]\n\n", SAID + b"\n\n: more\n\n", SAID)
    assert out == SAID + b"\n\ndata: [DONE]\n\n"
    assert events.over


@pytest.mark.parametrize("mark", [b"\n\r\n", b"\r\n\n", b"\n\n", b"\r\r\n"])
def test_ends_of_lines_may_be_of_two_kinds(mark: bytes) -> None:
    whole = SAID + b"\n\n" + SAID + mark + SAID + b"\r\n\r\n"
    out, events = feed(whole)
    assert (out, events.malformed) == (whole, 0)
    assert len([one for one in events_of(WholeEvents(), whole) if one.strip()]) == 3


def test_a_mark_of_the_byte_order_hides_no_event() -> None:
    out, events = feed(b"\xef\xbb\xbf" + SAID[:9], SAID[9:] + b"\n\n", b"data: [DONE]\n\n")
    assert events.begun
    assert out == SAID + b"\n\ndata: [DONE]\n\n"
    client = messages.CODEC.writer(MAKING)
    converted = ConvertedStream(chat.CODEC.reader(), client, FORMATS["messages"])
    assert b'"text":"x"' in converted.feed(b"\xef\xbb\xbf" + SAID + b"\n\n")


def test_set_up_without_end_counts_as_an_answer_some_time() -> None:
    role = ROLE + b"\n\n"
    stream = PassthroughStream(FORMATS["chat"], limit=4096)
    stream.feed(role * (3000 // len(ROLE)))
    assert not stream.begun
    stream.feed(role * (3000 // len(ROLE)))
    assert stream.begun


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert feed(SAID + b"\n\ndata: [DONE]\n")[0] == SAID + b"\n\ndata: [DONE]\n\n"
    assert feed(SAID + b"\n\n" + BAD)[0] == SAID + b"\n\n"


def test_an_event_without_end_is_an_error() -> None:
    events = PassthroughStream(FORMATS["chat"], limit=1000)
    with pytest.raises(EventTooLarge):
        events.feed(b"data: " + b"x" * 1000)
