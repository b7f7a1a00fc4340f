"""Whatever comes in, the Responses codec reads it, or says in its own errors that it cannot."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import (
    Block,
    Close,
    Completed,
    Delta,
    Event,
    Finish,
    FinishReason,
    NeutralAnswer,
    Open,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.request import File, NeutralRequest, ToolResult
from tests.plugins.model_proxy.convert.responses.responses_corpus import ANSWERS, REQUESTS, STREAMS
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    RESPONSE,
    gathered,
    making,
    payloads,
    read_stream,
    stream_of,
)

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 7, 1.5, 1e300, "", "x", "message", [], ["x"], [{}], {}, {"type": "x"}, [[]]]
)
WHOLE = sorted(
    {name for name in STREAMS if not name.startswith("odd_")} & set(ANSWERS) - {"failed"}
)
WORDS = st.text('ab \n"\\é🦄', max_size=12)
KINDS = ("text", "refusal", "tool", "free_tool", "thought", "redacted")


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, ...]] = []
    for name, entry in inner:
        found.append((*before, name))
        if isinstance(entry, dict | list):
            found += paths(entry, (*before, name))
    return found


@st.composite
def mutated(draw: st.DrawFn, values: dict[str, Any]) -> Any:
    """Draw a value of the corpus with one or two things in it gone, repeated or replaced."""
    value = copy.deepcopy(values[draw(st.sampled_from(sorted(values)))])
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(paths(value)))
        place: Any = value
        for name in way:
            place = place[name]
        match draw(st.sampled_from(["gone", "odd", "twice"])):
            case "gone" if len(place) > 1:
                del place[last]
            case "twice" if isinstance(place, list):
                place.insert(last, copy.deepcopy(place[last]))
            case _:
                place[last] = copy.deepcopy(draw(ODD))
    return value


@given(mutated(REQUESTS))
def test_a_request_is_read_and_written_or_refused(body: dict[str, Any]) -> None:
    with suppress(Unsupported):
        request = CODEC.read_request(body)
        written = CODEC.write_request(request, max_tokens=1)
        again = CODEC.read_request(written)
        assert without_file_names(again) == without_file_names(request)
        assert CODEC.read_request(CODEC.write_request(again, max_tokens=1)) == again


def without_file_names(request: NeutralRequest) -> NeutralRequest:
    """Take out what is made up where a file has none, and left out where a URL has one."""

    def bare(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        for part in parts:
            if isinstance(part, ToolResult):
                found.append(attrs.evolve(part, parts=bare(part.parts)))
            else:
                found.append(attrs.evolve(part, name=None) if isinstance(part, File) else part)
        return tuple(found)

    turns = tuple(attrs.evolve(turn, parts=bare(turn.parts)) for turn in request.turns)
    return attrs.evolve(request, turns=turns)


@given(mutated(ANSWERS))
def test_an_answer_is_read_or_is_none(body: dict[str, Any]) -> None:
    with suppress(BadAnswer):
        RESPONSE.validate_python(CODEC.write_answer(CODEC.read_answer(body), making()))


@given(mutated(STREAMS))
def test_a_stream_is_read_or_is_none(stream: list[Any]) -> None:
    with suppress(BadAnswer):
        events = read_stream(payload for payload in stream if isinstance(payload, dict))
        assert_in_order(events)
        written = stream_of(event for event in events if type(event).__name__ != "Failed")
        assert payloads(written) or not events


@given(st.data())
def test_a_stream_that_lost_events_is_whole_or_none(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(WHOLE))
    *stream, last = STREAMS[name]
    kept = data.draw(st.lists(st.booleans(), min_size=len(stream), max_size=len(stream)))
    left = [payload for payload, keep in zip(stream, kept, strict=True) if keep]
    with suppress(BadAnswer):
        found, whole = gathered(read_stream([*left, last])), gathered(read_stream(STREAMS[name]))
        assert sorted(map(_said, found.blocks)) == sorted(map(_said, whole.blocks))
        assert found.reason == whole.reason


def _said(block: Block) -> tuple[str, str, str]:
    return (block.kind, block.text, block.name)


def assert_in_order(events: list[Event]) -> None:
    """Hold what ``answer.py`` says about the order of events."""
    opened: list[int] = []
    closed: set[int] = set()
    for event in events:
        match event:
            case Open(index):
                assert index == len(opened)
                opened.append(index)
            case Delta(index) | Close(index):
                assert index in opened
                assert index not in closed
                closed |= {index} if isinstance(event, Close) else set()
            case Finish():
                assert closed == set(opened)
            case _:
                pass
    if any(isinstance(event, Completed) for event in events):
        assert isinstance(events[-2], Finish)
        assert isinstance(events[-1], Completed)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Block, ...]:
    """Draw the blocks of an answer, thoughts first among those of one group."""
    found: list[Block] = []
    for group in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(KINDS))
        if kind == "thought":
            summary = draw(st.lists(WORDS, max_size=2))
            texts = draw(st.lists(WORDS, min_size=1, max_size=1))
            found += [Block("summary", words, f"rs_{group}", group=group) for words in summary]
            found += [Block("reasoning", words, f"rs_{group}", group=group) for words in texts]
        elif kind == "redacted":
            sealed = draw(st.text("abc+/=", min_size=1))
            found.append(Block("redacted", "", f"rs_{group}", "", group, None, sealed, "messages"))
        elif kind == "tool":
            found.append(
                Block("tool", '{"a": 1}', f"call_{group}", draw(st.text("fg", min_size=1)))
            )
        elif kind == "free_tool":
            found.append(Block("free_tool", draw(WORDS), f"call_{group}", "h"))
        else:
            found.append(Block("text" if kind == "text" else "refusal", draw(WORDS)))
    return tuple(found)


COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


@given(blocks(), st.none() | USAGES)
def test_every_answer_goes_there_and_back(found: tuple[Block, ...], usage: Usage | None) -> None:
    kinds = {block.kind for block in found}
    refused: FinishReason = "refusal" if "refusal" in kinds else "stop"
    reason = "tool_calls" if kinds & {"tool", "free_tool"} else refused
    answer = NeutralAnswer("resp_1", "m", 5, found, reason, usage)
    body = CODEC.write_answer(answer, making())
    RESPONSE.validate_python(body, strict=True)
    read = CODEC.read_answer(body)
    assert read == gathered(read_stream(payloads(stream_of(events_of(answer)))))
    bare = [_bare(block) for block in read.blocks]
    assert bare == [_bare(block) for block in found]
    assert (read.reason, read.usage) == (answer.reason, usage)


def _bare(block: Block) -> tuple[str, ...]:
    return (block.kind, block.text, block.id, block.name, block.sealed, block.sealed_by)
