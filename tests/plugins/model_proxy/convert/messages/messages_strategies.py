"""What may come, for property tests: JSON that has been damaged, and answers of every kind."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from clawmatrix_model_proxy.neutral.answer import (
    Block,
    Close,
    Delta,
    Event,
    NeutralAnswer,
    Open,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.request import (
    File,
    Image,
    NeutralRequest,
    Reasoning,
    Refusal,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

__all__ = ["answers", "damaged", "interleaved", "requests"]

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**70) | st.floats(0, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """Return a value in which up to three places are something else, missing, or there twice."""
    value = deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        _damage(draw, *draw(st.sampled_from(places)))
    return value


def _places(value: Any) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, child in list(inner):
        yield value, name
        if isinstance(child, dict | list):
            yield from _places(child)


def _damage(draw: st.DrawFn, holder: Any, name: Any) -> None:
    how = draw(st.sampled_from(["replace", "swap", "remove", "repeat"]))
    if how == "replace":
        holder[name] = draw(_JSON)
    elif how == "remove":
        del holder[name]
    elif isinstance(holder, list):
        other = draw(st.integers(0, len(holder) - 1))
        holder.insert(other, holder[name] if how == "repeat" else holder.pop(name))
    else:
        other = draw(st.sampled_from(list(holder)))
        holder[name], holder[other] = holder[other], holder[name]


# --- answers

_COUNT = st.integers(0, 2**40)
_USAGE = st.builds(
    lambda fresh, output, cached, cache_written, reasoning: Usage(
        fresh + (cached or 0) + (cache_written or 0), output, cached, cache_written, reasoning
    ),
    *[_COUNT] * 2,
    *[st.none() | _COUNT] * 3,
)
_ARGUMENTS = st.sampled_from(["{}", '{"city":"Oslo"}', '{"a":[1,{"b":null}],"c":"\\"}"}'])
_ID = st.text("abc123", min_size=1, max_size=4)
_SEAL = st.sampled_from([("", ""), ("EqQB", "messages"), ("gAAA", "responses")])


def _thought(kind: Any, text: str, group: int, seal: Any) -> Block:
    return Block(kind, text, group=group, sealed=seal[0], sealed_by=seal[1])


_BLOCKS = st.one_of(
    st.builds(Block, st.sampled_from(["text", "refusal"]), st.text(max_size=9)),
    st.builds(Block, st.just("tool"), _ARGUMENTS, _ID, st.just("get_weather")),
    st.builds(
        _thought,
        st.sampled_from(["reasoning", "summary"]),
        st.text(max_size=9),
        st.integers(-1, 2),
        _SEAL,
    ),
    st.builds(_thought, st.just("redacted"), st.just(""), st.just(-1), _SEAL),
)
answers = st.builds(
    NeutralAnswer,
    _ID,
    _ID,
    st.just(0),
    st.lists(_BLOCKS, max_size=6).map(tuple),
    st.sampled_from(["stop", "length", "tool_calls", "content_filter", "refusal", "pause"]),
    st.none() | _USAGE,
)


@st.composite
def interleaved(draw: st.DrawFn, answer: NeutralAnswer) -> list[Event]:
    """Return a stream that gives an answer, its texts in pieces, its blocks open at once or not."""
    begin, *events, finish, end = events_of(answer)
    waiting = [_pieces(draw, events, index) for index in range(len(answer.blocks))]
    running: list[list[Event]] = []
    stream = [begin]
    while waiting or running:
        if waiting and (not running or draw(st.booleans())):
            running.append(waiting.pop(0))
            chosen = running[-1]
        else:
            chosen = draw(st.sampled_from(running))
        stream.append(chosen.pop(0))
        running = [events for events in running if events]
    return [*stream, finish, end]


def _pieces(draw: st.DrawFn, events: list[Event], index: int) -> list[Event]:
    pieces: list[Event] = []
    for event in events:
        if isinstance(event, Delta) and event.index == index:
            cut = draw(st.integers(0, len(event.text)))
            texts = (event.text[:cut], event.text[cut:])
            pieces += [Delta(index, text) for text in texts if text]
        elif isinstance(event, Open | Close) and event.index == index:
            pieces.append(event)
    return pieces


# --- requests of any API

_WORDS = st.text(max_size=6)
_PICTURE = st.sampled_from(
    [Image("data:image/png;base64,AAAA"), Image("https://example.com/a.png", detail="low")]
)
_PAPER = st.sampled_from(
    [
        File("data:application/pdf;base64,AAAA", name="a.pdf"),
        File("data:text/csv;base64,YSxi"),
        File("https://example.com/a.pdf"),
        File(text="Words", name="Notes"),
    ]
)
_SAID = st.builds(Text, _WORDS) | _PICTURE | _PAPER
_CALL_ID = st.sampled_from(["call_1", "functions.f:0", "toolu_01A"])
_THOUGHT = st.builds(
    lambda text, summary, seal, redacted: Reasoning(
        text, summary, seal[0], seal[1], redacted=redacted
    ),
    _WORDS,
    st.lists(_WORDS, max_size=2).map(tuple),
    _SEAL,
    st.booleans(),
)
_ANSWERED = st.one_of(
    st.builds(Text, _WORDS),
    st.builds(Refusal, _WORDS),
    st.builds(ToolCall, _CALL_ID, st.just("f"), _ARGUMENTS | st.just("")),
    _THOUGHT,
)
_RESULT = st.builds(
    ToolResult, _CALL_ID, st.lists(_SAID, max_size=2).map(tuple), st.none() | st.booleans()
)


def _turn(role: Role, part: st.SearchStrategy[Any]) -> st.SearchStrategy[Turn]:
    return st.builds(Turn, st.just(role), st.lists(part, max_size=3).map(tuple))


_TURNS = st.lists(
    st.one_of(
        _turn("system", st.builds(Text, _WORDS)),
        _turn("developer", st.builds(Text, _WORDS)),
        _turn("user", _SAID),
        _turn("assistant", _ANSWERED),
        _turn("tool", _RESULT),
    ),
    max_size=6,
)
_TOOLS = (Tool("f", "It", {"properties": {}}, strict=False), Tool("g"))
_CHOICE = st.sampled_from(
    [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required"), ToolChoice("named", ("f",))]
)
_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(1, 9),
        "stop": st.lists(_WORDS, max_size=2),
        "effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "service_tier": st.sampled_from(["auto", "default"]),
        "user": _WORDS,
        "store": st.booleans(),
    },
)
requests = st.builds(
    NeutralRequest,
    st.sampled_from(["chat", "responses"]),
    st.builds(lambda turns: (*turns, Turn("user", (Text("Hi"),))), _TURNS),
    st.just(_TOOLS),
    st.none() | _CHOICE,
    st.none() | st.booleans(),
    st.sampled_from(
        [None, ResponseFormat("text"), ResponseFormat("schema", {"type": "object"}, "a", "b", True)]
    ),
    st.booleans(),
    _SETTINGS,
)
