"""Chat completions of every shape: what is kept there and back, and what wrong ones amount to."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    NeutralRequest,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.plugins.model_proxy.convert.chat.chat_corpus import (
    ANSWERS,
    CHAT,
    REQUESTS,
    STREAMS,
    gathered,
    making,
    payloads_of,
    read_stream,
    written_stream,
)

# --- wrong ones

LETTERS = 'ab"\\\n/ \u00e9\u2028\U0001f600'
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.text(LETTERS, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(LETTERS, max_size=3), inner)
    ),
    max_leaves=3,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place within a value, as what holds it and its key there."""
    keys: Any = value if isinstance(value, dict) else range(len(value))
    found = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found.extend(places(value[key]))
    return found


def spoiled(value: Any, data: st.DataObject) -> Any:
    """Return a value with something in it taken out, or replaced by something else."""
    value = deepcopy(value)
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(places(value) or [([0], 0)]))
        if data.draw(st.booleans()):
            holder[key] = data.draw(JSON)
        else:
            del holder[key]
    return value


@settings(max_examples=300)
@given(st.sampled_from(list(REQUESTS)), st.data())
def test_a_wrong_request_is_read_or_refused(name: str, data: st.DataObject) -> None:
    body = spoiled(REQUESTS[name], data)
    before = deepcopy(body)
    with contextlib.suppress(Unsupported):
        CHAT.write_request(CHAT.read_request(body), max_tokens=1)
    assert body == before


@settings(max_examples=300)
@given(st.sampled_from(list(ANSWERS)), st.data())
def test_a_wrong_answer_is_read_or_refused(name: str, data: st.DataObject) -> None:
    body = spoiled(ANSWERS[name], data)
    with contextlib.suppress(BadAnswer):
        CHAT.write_answer(CHAT.read_answer(body), making())


@settings(max_examples=300)
@given(st.sampled_from(list(STREAMS)), st.data())
def test_a_wrong_stream_is_read_or_refused(name: str, data: st.DataObject) -> None:
    events = [event for event in spoiled(STREAMS[name], data) if isinstance(event, dict | str)]
    try:
        read = read_stream([e for e in events if isinstance(e, dict) or e == "[DONE]"])
    except BadAnswer:
        return
    check_order(read)


@given(st.sampled_from(list(STREAMS)), st.data())
def test_a_stream_that_is_cut_is_never_whole_before_its_reason(
    name: str, data: st.DataObject
) -> None:
    events = STREAMS[name]
    cut = events[: data.draw(st.integers(0, len(events)))]
    reasons = [
        e["choices"][0].get("finish_reason") for e in cut if e != "[DONE]" and e.get("choices")
    ]
    if not any(reasons) and "[DONE]" not in cut:
        assert Completed() not in read_stream(cut)


def check_order(events: list[Event]) -> None:
    """Blocks are numbered as they open, and are whole before the end."""
    unopened, going = 0, set()
    for event in events:
        match event:
            case Open(index=index):
                assert index == unopened
                unopened += 1
                going.add(index)
            case Delta(index=index):
                assert index in going
            case Close(index=index):
                going.remove(index)
            case Finish():
                assert not going


# --- answers there and back

words = st.text(LETTERS, min_size=1, max_size=8)
ids = st.text("abcdef0123456789_", min_size=1, max_size=8)
counts = st.none() | st.integers(0, 99)
details = st.dictionaries(
    st.tuples(st.sampled_from(["input", "output"]), st.sampled_from(["audio_tokens", "x_tokens"])),
    st.integers(0, 99),
)
usages = st.builds(Usage, st.integers(0, 999), st.integers(0, 999), counts, counts, counts, details)
texts = st.builds(Block, st.sampled_from(["text", "refusal", "reasoning"]), words)
tokens = st.lists(st.fixed_dictionaries({"token": words, "logprob": st.floats(-9, 0)}), min_size=1)


@st.composite
def answers(draw: st.DrawFn) -> NeutralAnswer:
    """Draw an answer of which chat completions lose nothing."""
    said = {block.kind: block for block in draw(st.lists(texts, max_size=3))}
    blocks = [said[kind] for kind in ("reasoning", "text", "refusal") if kind in said]
    if draw(st.booleans()):
        blocks = [
            Block(b.kind, b.text, logprobs=None if b.kind == "reasoning" else draw(tokens))
            for b in blocks
        ]
    reason: FinishReason = draw(st.sampled_from(["length", "content_filter"]))
    names = draw(st.lists(ids, max_size=3, unique=True))
    for name in names:
        free = draw(st.booleans())
        text = draw(words) if free else '{"x":1}'
        blocks.append(Block("free_tool" if free else "tool", text, f"call_{name}", name))
    if draw(st.booleans()):
        reason = "tool_calls" if names else "refusal" if "refusal" in said else "stop"
    usage = draw(st.none() | usages)
    created = draw(st.integers(1, 2**33))
    return NeutralAnswer(draw(ids), draw(ids), created, tuple(blocks), reason, usage)


@given(answers())
def test_a_whole_answer_keeps_everything(answer: NeutralAnswer) -> None:
    assert CHAT.read_answer(CHAT.write_answer(answer, making())) == answer


@given(answers())
def test_a_stream_keeps_everything(answer: NeutralAnswer) -> None:
    stream = written_stream(events_of(answer), making())
    events = read_stream(payloads_of(stream))
    check_order(events)
    assert events[-1] == Completed()
    assert gathered(events) == answer


@given(answers(), st.data())
def test_blocks_that_are_written_side_by_side_are_kept(
    answer: NeutralAnswer, data: st.DataObject
) -> None:
    begin, *blocks, finish, end = events_of(answer)
    calls = {e.index for e in blocks if isinstance(e, Open) and e.kind in ("tool", "free_tool")}
    said = [e for e in blocks if _index(e) not in calls]
    lanes = [[e for e in blocks if _index(e) == call] for call in sorted(calls)]
    opened = [lane.pop(0) for lane in lanes]
    shuffled = []
    while lanes:
        lane = data.draw(st.sampled_from(lanes))
        shuffled.append(lane.pop(0))
        lanes = [lane for lane in lanes if lane]
    events = [begin, *said, *opened, *shuffled, finish, end]
    assert gathered(read_stream(payloads_of(written_stream(events, making())))) == answer


def _index(event: Event) -> int:
    assert isinstance(event, Open | Delta | Close)
    return event.index


# --- requests there and back

shown = st.one_of(
    st.builds(Text, words),
    st.builds(Image, st.just("https://example.org/a.png"), detail=st.none() | st.just("low")),
    st.builds(Audio, st.just("UklGRg=="), st.sampled_from(["wav", "mp3"])),
    st.builds(File, st.just("data:application/pdf;base64,JVBERi0="), name=words),
    st.builds(File, file_id=ids, name=st.none() | words),
)
name = st.none() | ids


@st.composite
def rounds(draw: st.DrawFn, number: int) -> list[Turn]:
    """Draw what is said from a user's turn to the next."""
    user = Turn("user", tuple(draw(st.lists(shown, max_size=3))), draw(name))
    calls = [
        ToolCall(f"call_{number}_{at}", draw(ids), draw(words), free=draw(st.booleans()))
        for at in range(draw(st.integers(0, 2)))
    ]
    parts: list[Part] = [*draw(st.lists(st.builds(Reasoning, words), max_size=1))]
    parts += draw(st.lists(st.builds(Text, words) | st.builds(Refusal, words), max_size=3))
    texts = st.lists(st.builds(Text, words), max_size=2)
    results = [
        Turn("tool", (ToolResult(call.id, tuple(draw(texts)), free=call.free),)) for call in calls
    ]
    return [user, Turn("assistant", (*parts, *calls), draw(name)), *results]


tools = st.one_of(
    st.builds(Tool, ids, st.none() | words, st.just({"type": "object"}), st.none() | st.booleans()),
    st.builds(
        Tool,
        ids,
        st.none() | words,
        free=st.just(True),
        grammar=st.none() | st.just({"syntax": "regex", "definition": "a+"}),
    ),
)
formats = st.one_of(
    st.just(ResponseFormat("text")),
    st.just(ResponseFormat("json")),
    st.builds(
        ResponseFormat,
        st.just("schema"),
        st.just({"type": "object"}),
        ids,
        name,
        st.none() | st.booleans(),
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> NeutralRequest:
    """Draw a request of which chat completions lose nothing."""
    turns = [Turn("system", (Text("Be brief."),))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns += draw(rounds(number))
    offered = tuple(draw(st.lists(tools, max_size=3, unique_by=lambda tool: tool.name)))
    names = tuple(tool.name for tool in offered)
    choices = [None, ToolChoice("auto"), ToolChoice("required", names)]
    choices += [ToolChoice("named", names[:1])] if names else []
    return NeutralRequest(
        "chat",
        tuple(turns),
        offered,
        draw(st.sampled_from(choices)) if names else None,
        draw(st.none() | st.booleans()) if names else None,
        draw(st.none() | formats),
        draw(st.booleans()),
        draw(own_settings),
    )


own_settings = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(1, 99),
        "temperature": st.floats(0, 2),
        "stop": st.lists(words, min_size=1, max_size=2),
        "logprobs": st.just(True),
        "effort": st.sampled_from(["none", "low", "xhigh"]),
        "service_tier": st.just("flex"),
        "metadata": st.just({"a": "b"}),
        "stream_options": st.just({"include_usage": True}),
    },
)


@given(requests())
def test_a_request_keeps_everything(request: NeutralRequest) -> None:
    body = {"model": "x", **CHAT.write_request(request, max_tokens=1)}
    assert CHAT.read_request(body) == request
