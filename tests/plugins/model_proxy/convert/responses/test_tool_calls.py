"""Calls in streams of Responses: apart and whole, or the stream ends with an error."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_model_proxy.convert.limits import StreamLimits
from clawmatrix_model_proxy.convert.responses.stream_reader import ResponsesReader
from clawmatrix_model_proxy.neutral.answer import Completed, Gathered
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Block

OSLO, BERN = '{"city": "Oslo"}', '{"city": "Bern"}'
SAID: dict[str, tuple[tuple[str, str], ...]] = {
    "two tools": (("weather", OSLO), ("clock", '{"zone": "CET"}')),
    "one tool twice": (("weather", OSLO), ("weather", BERN)),
    "without arguments first": (("clock", "{}"), ("weather", OSLO)),
    "twins": (("weather", OSLO), ("weather", OSLO)),
}
ITEM_IDS = ("right", "none", "changing", "that of the call", "all alike")
NUMBERS = ("right", "none", "all 0", "text", "float")


def blocks(events: list[Any]) -> tuple[Block, ...]:
    """Return what a stream amounts to. Raises: BadAnswer."""
    reader, limits, gathered = ResponsesReader(), StreamLimits(), Gathered()
    found = [event for payload in events for event in limits.take(list(reader.read(payload)), 0)]
    if Completed() not in found:
        raise BadAnswer("the stream has no end")
    for event in found:
        gathered.take(event)
    return gathered.answer().blocks


@attrs.frozen
class Server:
    """Which events a server sends, and what they say of which item they are about."""

    item_id: str = "right"
    number: str = "right"
    added: bool = True
    deltas: bool = True
    arguments_done: bool = True
    item_done: bool = True
    final: bool = True
    call_id: bool = True
    together: bool = False

    @property
    def names_tools(self) -> bool:
        return self.added or self.item_done or self.final

    def events(self, calls: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
        rows = [list(self._about(call, at)) for at, call in enumerate(calls)]
        told = list(itertools.chain(*rows))
        if self.together:
            turns = itertools.zip_longest(*rows)
            told = [event for turn in turns for event in turn if event is not None]
        whole = [self._item(call, at, 9, call[1])["item"] for at, call in enumerate(calls)]
        response = {"id": "r", "status": "completed", "output": whole if self.final else []}
        return [*told, {"type": "response.completed", "response": response}]

    def _about(self, call: tuple[str, str], at: int) -> Any:
        arguments, about = call[1], "response.function_call_arguments"
        if self.added:
            yield {"type": "response.output_item.added", **self._item(call, at, 0, "")}
        if self.deltas:
            yield {"type": f"{about}.delta", "delta": arguments[:4], **self._place(at, 1)}
            yield {"type": f"{about}.delta", "delta": arguments[4:], **self._place(at, 2)}
        if self.arguments_done:
            yield {"type": f"{about}.done", "arguments": arguments, **self._place(at, 3)}
        if self.item_done:
            yield {"type": "response.output_item.done", **self._item(call, at, 4, arguments)}

    def _place(self, at: int, event: int) -> dict[str, Any]:
        ids = {
            "right": f"fc_{at}",
            "changing": f"fc_{at}_{event}",
            "that of the call": f"call_{at}",
            "all alike": "fc",
        }
        numbers = {"right": at, "all 0": 0, "text": str(at), "float": float(at)}
        place = {"item_id": ids.get(self.item_id), "output_index": numbers.get(self.number)}
        return {name: value for name, value in place.items() if value is not None}

    def _item(self, call: tuple[str, str], at: int, event: int, arguments: str) -> dict[str, Any]:
        place = self._place(at, event)
        item: dict[str, Any] = {"type": "function_call", "name": call[0], "arguments": arguments}
        if "item_id" in place:
            item["id"] = place.pop("item_id")
        if self.call_id:
            item["call_id"] = f"call_{at}"
        return {"item": item, **place}


def outcome(server: Server, calls: tuple[tuple[str, str], ...]) -> str:
    try:
        found = blocks(server.events(calls))
    except BadAnswer:
        return "error"
    told = sorted((block.name, block.text) for block in found)
    ids = [block.id for block in found if block.id]
    right = told == sorted(calls) and len(set(ids)) == len(ids)
    return "right" if right else f"wrong: {told}"


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("item_id", ITEM_IDS)
def test_whatever_a_server_says_calls_come_apart_and_whole_or_not_at_all(
    item_id: str, said: str
) -> None:
    seen: Counter[str] = Counter()
    for number in NUMBERS:
        for rest in itertools.product((True, False), repeat=7):
            server = Server(item_id, number, *rest)
            # Nothing in an event that is sent twice is other than in those of two such calls.
            alike = item_id == "all alike" and number in ("none", "all 0") and not server.call_id
            if not server.names_tools or (said == "twins" and alike):
                continue
            became = outcome(server, SAID[said])
            assert became in ("right", "error"), (server, became)
            seen[became] += 1
    assert seen["right"] > seen["error"], seen


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    "server",
    [
        *(Server(item_id) for item_id in ITEM_IDS),
        *(Server(number=number) for number in NUMBERS),
        Server(added=False),
        Server(deltas=False),
        Server("none", "none"),
        Server("none", "none", deltas=False, arguments_done=False),
        Server(added=False, deltas=False, arguments_done=False),
        Server("changing", "text", added=False, final=False),
        Server(added=False, arguments_done=False, item_done=False),
        Server("none", "none", added=False, deltas=False, arguments_done=False, item_done=False),
        Server(final=False, together=True),
        Server("changing", together=True),
    ],
    ids=repr,
)
def test_calls_of_this_server_are_read(server: Server, said: str) -> None:
    assert outcome(server, SAID[said]) == "right"


# --- single shapes

ENDED = {"type": "response.completed", "response": {"id": "r", "status": "completed"}}


def added(name: str, **more: Any) -> dict[str, Any]:
    item = {"type": "function_call", "name": name, "arguments": more.pop("arguments", "")}
    return {"type": "response.output_item.added", "item": item | more.pop("item", {}), **more}


def done(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    event = added(name, arguments=arguments, **more)
    return event | {"type": "response.output_item.done"}


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "delta": text, **more}


def arguments_done(text: Any, **more: Any) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.done", "arguments": text, **more}


def test_arguments_that_are_an_object_are_read() -> None:
    events = [added("weather", arguments={}), done("weather", {"city": "Oslo"}), ENDED]
    assert [json.loads(block.text) for block in blocks(events)] == [{"city": "Oslo"}]


def test_a_name_that_comes_with_the_whole_arguments_is_read() -> None:
    [block] = blocks([delta(OSLO), arguments_done(OSLO, name="weather"), ENDED])
    assert (block.name, block.text) == ("weather", OSLO)


@pytest.mark.parametrize(
    "events",
    [
        # whose arguments are these?
        [added("weather"), added("clock"), delta(OSLO), delta("{}")],
        # two objects
        [added("weather"), delta(OSLO), delta(BERN)],
        # others than those that came
        [
            added("weather", item={"id": "x"}),
            delta(OSLO, item_id="x"),
            done("weather", BERN, item={"id": "x"}),
        ],
        # another name, or another id of the call
        [
            added("weather", item={"id": "x", "call_id": "a"}),
            done("weather", OSLO, item={"id": "x", "call_id": "b"}),
        ],
        # half of them
        [added("weather"), delta(OSLO[:6])],
    ],
)
def test_what_may_be_another_calls_is_no_answer(events: list[dict[str, Any]]) -> None:
    with pytest.raises(BadAnswer):
        blocks([*events, ENDED])


def test_a_call_that_the_whole_answer_has_not_is_no_answer() -> None:
    item = {"type": "function_call", "name": "clock", "arguments": "{}", "call_id": "b"}
    ended = {**ENDED, "response": {"status": "completed", "output": [item]}}
    with pytest.raises(BadAnswer, match="not in the whole"):
        blocks([done("weather", OSLO, item={"call_id": "a"}), ended])
