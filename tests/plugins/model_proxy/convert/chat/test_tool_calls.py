"""Calls in streams of chat completions: apart and whole, or the stream ends with an error."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.convert.chat.stream_reader import ChatReader
from clawmatrix_model_proxy.convert.limits import StreamLimits
from clawmatrix_model_proxy.neutral.answer import Completed, Gathered
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.chat.call_servers import (
    ARGUMENTS,
    IDS,
    INDEXES,
    NAMES,
    SAID,
    Said,
    Server,
    chunk,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_model_proxy.neutral.answer import Block

TOOLS = ("weather", "weather_map", "clock", "find", "finder")
OBJECT = '{"city": "Oslo"}'


def blocks(events: list[Any], tools: Collection[str] = TOOLS) -> tuple[Block, ...]:
    """Return what a stream amounts to. Raises: BadAnswer."""
    reader, limits, gathered = ChatReader(), StreamLimits(), Gathered()
    reader.tools = tools
    found = [event for payload in events for event in limits.take(list(reader.read(payload)), 0)]
    found += limits.take(list(reader.done(marked=True)), 0)
    if Completed() not in found:
        raise BadAnswer("the stream has no end")
    for event in found:
        gathered.take(event)
    return gathered.answer().blocks


def calls(events: list[Any], tools: Collection[str] = TOOLS) -> list[tuple[str, Any]]:
    return [(block.name, json.loads(block.text or "{}")) for block in blocks(events, tools)]


def read(server: Server, said: tuple[Said, ...]) -> str:
    """Return what becomes of the calls of a server: ``right``, ``error`` or what is wrong."""
    try:
        found = blocks(server.events(said))
        pairs = [(block.name, json.loads(block.text or "{}")) for block in found]
    except BadAnswer:
        return "error"
    except ValueError:
        return "no JSON"
    ids = [block.id for block in found]
    right = pairs == [call.meant for call in said] and len(set(ids)) == len(ids)
    return "right" if right else f"wrong: {pairs}"


# --- servers of every kind


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("index", INDEXES)
def test_whatever_a_server_says_calls_come_apart_and_whole_or_not_at_all(
    index: str, said: str
) -> None:
    seen: Counter[str] = Counter()
    for id, name, arguments, together in itertools.product(IDS, NAMES, ARGUMENTS, (False, True)):
        server = Server(index, id, name, arguments, together)
        outcome = read(server, SAID[said])
        assert outcome in ("right", "error"), (server, outcome)
        seen[outcome] += 1
    assert seen["right"] > seen["error"], seen


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    "server",
    [
        *(Server(index) for index in INDEXES),
        *(Server(id=id) for id in IDS),
        *(Server(name=name) for name in NAMES),
        *(Server(arguments=arguments) for arguments in ARGUMENTS),
        Server(together=True),
        Server("text", "each", together=True),
        Server("all 0", "none", arguments="whole"),
        Server("all 0", "empty", arguments="whole"),
        Server("all 0", "each", together=True),
        Server("none", "none", arguments="whole"),
        Server("none", "none", arguments="object"),
        Server("none", "each", together=True),
        Server("none", "each", "each", "again"),
        Server("right", "none", "each", "again"),
        Server("right", "changing", "null later"),
        Server("right", "all alike", "each"),
        Server("right", "none", "pieces"),
    ],
    ids=repr,
)
def test_calls_of_this_server_are_read(server: Server, said: str) -> None:
    assert read(server, SAID[said]) == "right"


# --- single shapes


def piece(name: Any = None, arguments: Any = "", **more: Any) -> dict[str, Any]:
    return {**more, "function": {"name": name, "arguments": arguments}}


def ended(*pieces: Any) -> list[dict[str, Any]]:
    return [*(chunk(one) for one in pieces), chunk(reason="tool_calls")]


def test_a_name_behind_whole_arguments_begins_another_call() -> None:
    told = ended(piece("weather", OBJECT, index=0, id=""), piece("weather", OBJECT, index=0, id=""))
    assert calls(told) == [("weather", {"city": "Oslo"})] * 2


def test_two_objects_never_look_like_one_call() -> None:
    for cut in (3, len(OBJECT) + 3):
        first, second = (OBJECT + OBJECT)[:cut], (OBJECT + OBJECT)[cut:]
        with pytest.raises(BadAnswer):
            blocks(ended(piece("weather", first, index=0), piece(None, second, index=0)))


def test_two_calls_in_one_delta_of_one_index_are_two() -> None:
    event = chunk(piece("weather", OBJECT, index=0), piece("clock", "{}", index=0))
    assert calls([event, chunk(reason="stop")]) == [("weather", {"city": "Oslo"}), ("clock", {})]


def test_a_null_piece_and_a_null_function_are_nothing() -> None:
    told = ended(None, piece("clock", "{}", index=0), {"index": 0, "function": None, "id": None})
    assert calls(told) == [("clock", {})]


def test_a_call_without_its_inner_object_is_read() -> None:
    assert calls(ended({"index": 0, "name": "clock", "arguments": {"zone": "CET"}})) == [
        ("clock", {"zone": "CET"})
    ]


def test_an_empty_object_before_the_pieces_is_nothing() -> None:
    told = ended(piece("weather", {}, index=0), piece(None, OBJECT, index=0))
    assert calls(told) == [("weather", {"city": "Oslo"})]
    assert blocks(ended(piece("clock", {}, index=0)))[0].text == "{}"


def test_a_whole_call_behind_the_end_is_no_second_one() -> None:
    told = ended(piece("weather", OBJECT, index=0, id="a"))
    assert calls([*told, chunk(piece("weather", OBJECT, index=0, id="a"))]) == [
        ("weather", {"city": "Oslo"})
    ]


def test_a_name_that_begins_another_tools_name_is_awaited() -> None:
    first, second = piece("weather", index=0), piece("_map", index=0)
    assert calls(ended(first, second, piece(None, "{}", index=0))) == [("weather_map", {})]
    assert calls(ended(first, piece(None, "{}", index=0))) == [("weather", {})]


def test_a_name_that_is_no_tools_is_read_as_it_came() -> None:
    assert calls(ended(piece("walk", index=0), piece(None, "{}", index=0))) == [("walk", {})]
    assert calls(ended(piece("walk", index=0))) == [("walk", {})]


def test_ids_that_are_alike_get_their_own() -> None:
    told = ended(piece("clock", "{}", index=0, id="x"), piece("find", "{}", index=1, id="x"))
    assert [block.id for block in blocks(told)] == ["x", "x_2"]


@pytest.mark.parametrize(
    "pieces",
    [
        # the second call has no name
        (piece("weather", OBJECT, index=0), piece(None, '{"city": "Bern"}', index=0)),
        (piece("weather", OBJECT, index=0), piece(None, '{"city": "Bern"}', index=0, id="b")),
        (piece(None, OBJECT, index=0),),
        # two objects in one piece, or an end and a beginning
        (piece("weather", OBJECT + OBJECT, index=0),),
        (piece("weather", '{"city": ', index=0), piece(None, '"Oslo"}{"city": 1}', index=0)),
        # half a call
        (piece("weather", '{"city": "Os', index=0),),
        (piece("weather", '{"city": "Os', index=0), piece("clock", "{}", index=0, id="b")),
        # one call or two
        (piece("weather"), piece("weather", OBJECT)),
        (piece("weather", index=0, id="a"), piece("weather", OBJECT, index=0, id="b")),
        (piece("clock", "{}", index=0), piece("clock", index=0)),
        (piece("clock"), piece("weather"), piece(None, OBJECT)),
        (piece("clock", index=0), piece("weather", index=0), piece(None, OBJECT, index=0)),
        # nothing that numbers a call
        (piece("clock", "{}", index=True),),
        (piece("clock", "{}", index=[0]),),
        (piece("clock", "{}", index=0, id=["a"]),),
        # more of a call that was over
        (chunk(piece("clock", '{"a": 1', index=0), reason="length"), piece(None, "}", index=0)),
    ],
)
def test_what_may_be_one_call_or_two_is_no_answer(pieces: tuple[Any, ...]) -> None:
    events = [one if "choices" in one else chunk(one) for one in pieces]
    with pytest.raises(BadAnswer):
        blocks([*events, chunk(reason="tool_calls")])


def test_half_a_call_is_read_where_the_end_says_so() -> None:
    [block] = blocks([chunk(piece("weather", '{"city": "Os', index=0)), chunk(reason="length")])
    assert block.text == '{"city": "Os'


@pytest.mark.parametrize("text", ["city: Oslo", '["Oslo"]', '{"city": Oslo}', '{"a": 1}}'])
def test_what_the_model_wrote_wrong_is_told_as_it_wrote_it(text: str) -> None:
    assert [block.text for block in blocks(ended(piece("weather", text, index=0)))] == [text]


def test_without_the_tools_names_calls_are_told_apart_by_the_rest() -> None:
    for server in (Server(), Server("all 0", "none", arguments="whole"), Server(name="each")):
        assert calls(server.events(SAID["two tools"]), ()) == [
            said.meant for said in SAID["two tools"]
        ]
    with pytest.raises(BadAnswer, match="nothing tells"):
        calls(Server(name="pieces").events(SAID["one"]), ())


def test_old_calls_are_read_in_pieces_too() -> None:
    events = [
        {"choices": [{"delta": {"function_call": function}, "finish_reason": None}]}
        for function in ({"name": "weather", "arguments": ""}, {"arguments": OBJECT})
    ]
    assert calls([*events, chunk(reason="function_call")]) == [("weather", {"city": "Oslo"})]
    again = {"choices": [{"delta": {"function_call": {"name": "clock", "arguments": "{}"}}}]}
    assert calls([*events, again, chunk(reason="function_call")])[1:] == [("clock", {})]
