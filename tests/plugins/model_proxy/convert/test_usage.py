"""What an answer took comes to the client, wherever in its stream and however it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.convert.chat.stream_reader import ChatReader
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.messages.stream_reader import MessagesReader
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.convert.responses.stream_reader import ResponsesReader
from clawmatrix_model_proxy.neutral.answer import Completed, Finish, Usage
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from tests.plugins.model_proxy.convert.chat.chat_corpus import CHAT
from tests.plugins.model_proxy.test_converted import sse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.neutral.codec import StreamReader

BOTH = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def chunk(delta: Any = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason, **more.pop("choice", {})}
    return {"id": "c1", "choices": [choice], **more}


def finish(reader: StreamReader, payloads: Iterable[dict[str, Any]]) -> Finish:
    """Return the end of a stream, which must be whole."""
    events = [event for payload in payloads for event in reader.read(payload)]
    events += reader.done(marked=False)
    assert Completed() in events
    [found] = [event for event in events if isinstance(event, Finish)]
    return found


SAID, ENDED = chunk({"content": "Hi"}), chunk(reason="stop")
STREAMS: dict[str, list[dict[str, Any]]] = {
    "in an event before": [SAID, {"choices": [], "usage": BOTH}, ENDED],
    "in the first event": [chunk({"content": "Hi"}, usage=BOTH), ENDED],
    "with the end": [SAID, chunk(reason="stop", usage=BOTH)],
    "in an event of its own": [SAID, ENDED, {"choices": [], "usage": BOTH}],
    "in one without choices": [SAID, ENDED, {"usage": BOTH}],
    "behind the end, with an empty choice": [SAID, ENDED, chunk({"content": ""}, usage=BOTH)],
    "behind the end, with a choice of nothing": [SAID, ENDED, chunk(usage=BOTH)],
    "behind the end, with a role": [SAID, ENDED, chunk({"role": "assistant"}, usage=BOTH)],
    "in the choice": [SAID, chunk(reason="stop", choice={"usage": BOTH})],
    "in the choice behind the end": [SAID, ENDED, chunk(choice={"usage": BOTH})],
    "under x_groq": [SAID, chunk(reason="stop", x_groq={"usage": BOTH})],
    "in every event": [
        chunk({"content": "Hi"}, usage={"prompt_tokens": 5, "completion_tokens": 1}),
        chunk(reason="stop", usage=BOTH),
    ],
    "in fractions": [SAID, ENDED, {"usage": {"prompt_tokens": 4.9, "completion_tokens": "3.0"}}],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_chat_stream_tells_it_anywhere(name: str) -> None:
    assert finish(ChatReader(), STREAMS[name]) == Finish("stop", Usage(5, 3))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_passes_is_whole_wherever_its_usage_is(name: str) -> None:
    stream = PassthroughStream(FORMATS["chat"])
    sent = b"".join(sse(*STREAMS[name]))
    assert stream.feed(sent) == sent
    assert stream.finish() == (b"", Ending.FINISHED)


def test_words_behind_the_end_without_another_end_are_no_whole_answer() -> None:
    reader = ChatReader()
    events = [event for payload in (SAID, ENDED, SAID) for event in reader.read(payload)]
    assert Completed() not in [*events, *reader.done(marked=False)]
    stream = PassthroughStream(FORMATS["chat"])
    stream.feed(b"".join(sse(SAID, ENDED, SAID)))
    assert stream.finish()[1] is Ending.CUT


@pytest.mark.parametrize("told", [5, "much", [], {"prompt_tokens": "many"}])
def test_an_answer_is_not_lost_for_a_bill_that_cannot_be_read(told: Any) -> None:
    assert finish(ChatReader(), [SAID, chunk(reason="stop", usage=told)]).usage is None
    choice = {"message": {"content": "Hi"}, "finish_reason": "stop"}
    assert CHAT.read_answer({"choices": [choice], "usage": told}).usage is None


WHOLE_MESSAGE = {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 5.0, "output_tokens": 3.0}, Usage(5, 3)),
        ({"input_tokens": "5", "output_tokens": 2.6}, Usage(5, 3)),
        ({"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2.0}, Usage(7, 3, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 3}, Usage(5, 3)),
        ("none", None),
    ],
)
def test_messages_tells_it_in_any_number(told: Any, usage: Usage | None) -> None:
    assert messages.CODEC.read_answer({**WHOLE_MESSAGE, "usage": told}).usage == usage
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": told}
    assert finish(MessagesReader(), [end, {"type": "message_stop"}]).usage == usage


def test_messages_tells_it_with_its_very_last_event() -> None:
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 3}}
    begin = {"type": "message_start", "message": {"usage": {"input_tokens": 0}}}
    assert finish(MessagesReader(), [begin, {"type": "message_stop", **metrics}]).usage == Usage(
        5, 3
    )


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 5.0, "output_tokens": 3.0, "total_tokens": 8.0}, Usage(5, 3)),
        ({"input_tokens": "5", "output_tokens": "3"}, Usage(5, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 3}, Usage(5, 3)),
        (7, None),
    ],
)
def test_responses_tells_it_in_any_number(told: Any, usage: Usage | None) -> None:
    body = {"status": "completed", "output": [], "usage": told}
    assert responses.CODEC.read_answer(body).usage == usage
    beside = {"type": "response.completed", "response": {"output": []}, "usage": told}
    assert finish(ResponsesReader(), [beside]).usage == usage
