"""Every API through every other: what all three can say comes back as it was said."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream, UpstreamEvents
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.answer import (
    Block,
    Completed,
    Finish,
    FinishReason,
    Gathered,
    NeutralAnswer,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import (
    Image,
    NeutralRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.formats import FORMATS

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Event
    from clawmatrix_model_proxy.neutral.codec import Codec

CODECS: dict[str, Codec] = {
    codec.name: codec for codec in (chat.CODEC, responses.CODEC, messages.CODEC)
}
PAIRS = [(client, upstream) for client in CODECS for upstream in CODECS]
ENDS = {
    "chat": b"data: [DONE]",
    "responses": b"event: response.completed",
    "messages": b"event: message_stop",
}
"""What a whole stream of each API has and no other; a response that is cut short in length has
another event, which is not among the streams here."""
LETTERS = 'ab"\\\n/ \u00e9\u2028\U0001f600'

words = st.text(LETTERS, min_size=1, max_size=8).filter(str.strip)
ids = st.text("abcdef0123456789_", min_size=1, max_size=8)
objects = st.dictionaries(ids, st.integers() | words | st.none(), max_size=2)
arguments = objects.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
pairs = st.sampled_from(PAIRS)


def making(request: NeutralRequest) -> Making:
    count = itertools.count()
    return Making(request, "m", 1_700_000_000, lambda letters: f"{letters}{next(count)}", True)


# --- answers


@st.composite
def answers(draw: st.DrawFn) -> NeutralAnswer:
    """Draw an answer that every API can give."""
    blocks = [Block("reasoning", draw(words))] if draw(st.booleans()) else []
    if draw(st.booleans()):
        blocks.append(Block("text", draw(words)))
    names = draw(st.lists(ids, max_size=3, unique=True))
    blocks += [Block("tool", draw(arguments), f"call_{name}", name) for name in names]
    usage = Usage(
        draw(st.integers(10, 99)), draw(st.integers(10, 99)), cached=draw(st.integers(0, 9))
    )
    reason: FinishReason = "tool_calls" if names else "stop"
    return NeutralAnswer("id", "model", 1_700_000_000, tuple(blocks), reason, usage)


ASKED = NeutralRequest("chat", (Turn("user", (Text("Hi"),)),), (Tool("f"),))


def heard(answer: NeutralAnswer) -> Any:
    """Return what there is of an answer in every API."""
    blocks = [
        (block.kind, json.loads(block.text) if block.kind == "tool" else block.text, block.name)
        for block in answer.blocks
    ]
    calls = [block.id for block in answer.blocks if block.kind == "tool"]
    usage = answer.usage or Usage()
    return blocks, calls, answer.reason, (usage.input, usage.output, usage.cached or 0)


def streamed(codec: Codec, answer: NeutralAnswer) -> bytes:
    writer = codec.writer(making(ASKED))
    return b"".join(writer.write(event) for event in events_of(answer))


def events_in(codec: Codec, stream: bytes) -> list[Event]:
    upstream = UpstreamEvents(codec.reader())
    return [*upstream.feed(stream), *upstream.finish()]


def gathered(events: list[Event]) -> NeutralAnswer:
    whole = Gathered()
    for event in events:
        whole.take(event)
    return whole.answer()


def between(client: str, upstream: str) -> ConvertedStream:
    writer = CODECS[client].writer(making(ASKED))
    return ConvertedStream(CODECS[upstream].reader(), writer, FORMATS[client])


@given(pairs, answers())
def test_a_whole_answer_comes_back_through_any_other_api(
    pair: tuple[str, str], answer: NeutralAnswer
) -> None:
    client, upstream = (CODECS[name] for name in pair)
    converted = upstream.read_answer(upstream.write_answer(answer, making(ASKED)))
    told = client.read_answer(client.write_answer(converted, making(ASKED)))
    assert heard(told) == heard(answer)


@given(pairs, answers())
def test_a_stream_comes_back_through_any_other_api(
    pair: tuple[str, str], answer: NeutralAnswer
) -> None:
    client, upstream = pair
    stream = between(client, upstream)
    out = stream.feed(streamed(CODECS[upstream], answer))
    rest, ending = stream.finish()
    assert ending in (Ending.DONE, Ending.FINISHED)
    assert heard(gathered(events_in(CODECS[client], out + rest))) == heard(answer)


@given(pairs, answers(), st.data())
def test_however_the_bytes_come_the_client_gets_the_same(
    pair: tuple[str, str], answer: NeutralAnswer, data: st.DataObject
) -> None:
    stream = streamed(CODECS[pair[1]], answer)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    at_once, in_pieces = between(*pair), between(*pair)
    whole = at_once.feed(stream) + at_once.finish()[0]
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    assert b"".join(map(in_pieces.feed, pieces)) + in_pieces.finish()[0] == whole


@given(pairs, answers(), st.data())
def test_a_stream_that_is_cut_off_never_ends_as_a_whole_one(
    pair: tuple[str, str], answer: NeutralAnswer, data: st.DataObject
) -> None:
    client, upstream = pair
    stream = streamed(CODECS[upstream], answer)
    cut = stream[: data.draw(st.integers(0, len(stream)))]
    read = events_in(CODECS[upstream], cut)
    converted = between(client, upstream)
    out = converted.feed(cut)
    rest, ending = converted.finish()
    if Completed() in read:
        # Nothing but the mark of the end, or what the answer took, can be missing.
        assert [e for e in read if not isinstance(e, Finish)] == [
            e for e in events_in(CODECS[upstream], stream) if not isinstance(e, Finish)
        ]
    else:
        assert ending is Ending.CUT
        assert ENDS[client] not in out + rest


@pytest.mark.parametrize("name", CODECS)
def test_the_mark_of_the_end_is_in_a_whole_stream(name: str) -> None:
    answer = NeutralAnswer("id", "model", 1, (Block("text", "Hi"),), "stop")
    assert ENDS[name] in streamed(CODECS[name], answer)


# --- requests

shown = st.builds(Text, words) | st.just(Image("data:image/png;base64,iVBORw0KGgo="))


@st.composite
def rounds(draw: st.DrawFn, number: int) -> list[Turn]:
    """Draw what is said from a user's turn to the next."""
    calls = [
        ToolCall(f"call_{number}_{at}", draw(ids), draw(arguments))
        for at in range(draw(st.integers(0, 2)))
    ]
    texts = tuple(draw(st.lists(st.builds(Text, words), min_size=0 if calls else 1, max_size=1)))
    results = [Turn("tool", (ToolResult(call.id, (Text(draw(words)),)),)) for call in calls]
    user = Turn("user", tuple(draw(st.lists(shown, min_size=1, max_size=3))))
    return [user, Turn("assistant", (*texts, *calls)), *results]


@st.composite
def requests(draw: st.DrawFn) -> NeutralRequest:
    """Draw a request that every API can carry."""
    turns = [Turn("system", (Text(draw(words)),))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns += draw(rounds(number))
    names = draw(st.lists(ids, min_size=1, max_size=3, unique=True))
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    choice = draw(
        st.sampled_from(
            [ToolChoice("auto"), ToolChoice("required"), ToolChoice("named", (names[0],))]
        )
    )
    settings = {"max_tokens": draw(st.integers(1, 99)), "temperature": 0.5, "user": "u"}
    return NeutralRequest(
        "chat",
        (*turns, Turn("user", (Text("Go on."),))),
        tuple(Tool(name, draw(words), schema) for name in names),
        choice,
        draw(st.booleans()),
        None,
        draw(st.booleans()),
        settings,
    )


def asked(request: NeutralRequest) -> Any:
    """Return what there is of a request in every API: parts in order, by who said them."""
    parts = [
        ("system" if turn.role == "developer" else turn.role, part)
        for turn in request.turns
        for part in turn.parts
    ]
    plain = [(role, _plain(part)) for role, part in parts]
    tools = [(tool.name, tool.description, tool.parameters) for tool in request.tools]
    settings = {name: request.settings.get(name) for name in ("max_tokens", "temperature", "user")}
    return plain, tools, request.tool_choice, request.parallel, request.stream, settings


def _plain(part: Any) -> Any:
    match part:
        case ToolCall():
            return "call", part.id, part.name, json.loads(part.arguments)
        case ToolResult():
            return "result", part.call_id, part.parts
        case Image():
            return "image", part.url
    return part


@given(pairs, requests())
def test_a_request_comes_through_any_other_api(
    pair: tuple[str, str], request: NeutralRequest
) -> None:
    client, upstream = (CODECS[name] for name in pair)
    first = client.read_request(client.write_request(request, max_tokens=1))
    second = upstream.read_request(upstream.write_request(first, max_tokens=1))
    assert asked(second) == asked(request)
