"""Converted answers are remembered where they were asked for: enough to go on from, and bounded."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from clawmatrix_model_proxy.asking.recollection import Recollection
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.recalled import LIFETIME, RECALLED

USER = {"role": "user", "content": "hello"}


def said(number: int, words: str = "Good day.") -> dict[str, Any]:
    """Return an item of an answer."""
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [part]}


def told(number: int) -> dict[str, Any]:
    """Return the same item as it goes into a request: no upstream knows its id."""
    return {name: value for name, value in said(number).items() if name != "id"}


def response(number: int, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a whole answer."""
    output = list(items) or [said(number)]
    return {"id": f"resp_{number}", "object": "response", "output": output, **more}


def stream(whole: dict[str, Any], kind: str = "response.completed") -> bytes:
    """Return the last event of a stream."""
    event = {"type": kind, "response": whole}
    return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()


@attrs.define
class Asker:
    """A client, and the time."""

    now: float = 100.0
    memory: Recollection = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.memory = Recollection(lambda: self.now)

    def turn(self, body: dict[str, Any], whole: dict[str, Any] | bytes) -> dict[str, Any]:
        """Ask, and be answered; return the request as it went out."""
        given = json.dumps({"model": "m", **body}).encode()
        sent: dict[str, Any] = json.loads(self.memory.expanded(given))
        watch = self.memory.watch(given)
        if watch is not None:
            watch(whole if isinstance(whole, bytes) else json.dumps(whole).encode())
        return sent

    def sent(self, **body: Any) -> dict[str, Any]:
        """Return a request as it would go out."""
        sent: dict[str, Any] = json.loads(
            self.memory.expanded(json.dumps({"model": "m", **body}).encode())
        )
        return sent


def named(number: int) -> dict[str, Any]:
    """Return what names an item."""
    return {"type": "item_reference", "id": f"msg_{number}"}


def test_an_item_that_is_named_is_put_in() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    sent = asker.sent(input=[USER, named(1), USER])
    assert sent == {"model": "m", "input": [USER, told(1), USER]}


@pytest.mark.parametrize("reference", [{"id": "msg_1"}, {"type": None, "id": "msg_1"}])
def test_an_item_is_named_without_the_word_for_it(reference: dict[str, Any]) -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    assert asker.sent(input=[USER, reference])["input"] == [USER, told(1)]


def test_items_of_every_kind_are_put_in() -> None:
    asker = Asker()
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    asker.turn({"input": "hello"}, response(1, thought, call))
    names = [{"type": "item_reference", "id": id_} for id_ in ("rs_1", "fc_1")]
    output = {"type": "function_call_output", "call_id": "c", "output": "3"}
    assert asker.sent(input=[USER, *names, output])["input"] == [
        USER,
        thought,
        {name: value for name, value in call.items() if name != "id"},
        output,
    ]


def test_a_previous_response_is_gone_on_from_over_several_turns() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    second = asker.turn({"input": "and?", "previous_response_id": "resp_1"}, response(2))
    third = asker.turn({"input": [named(2)], "previous_response_id": "resp_2"}, response(3))
    more = {"role": "user", "content": "and?"}
    assert second == {"model": "m", "input": [USER, told(1), more]}
    assert third["input"] == [USER, told(1), more, told(2), told(2)]
    assert "previous_response_id" not in third
    assert asker.sent(previous_response_id="resp_1")["input"] == [USER, told(1)]


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_the_end_of_a_stream_is_remembered(kind: str) -> None:
    asker = Asker()
    before = b'event: response.output_text.delta\ndata: {"type":"x"}\n\n'
    asker.turn({"input": "hello", "stream": True}, before + stream(response(1), kind))
    assert asker.sent(input=[named(1)])["input"] == [told(1)]


def test_a_stream_that_did_not_end_is_not_remembered() -> None:
    asker = Asker()
    asker.turn({"input": "hello", "stream": True}, stream(response(1), "response.failed"))
    asker.turn({"input": "hello"}, b'{"id": 7}')
    asker.turn({"input": "hello"}, b"{")
    assert repr(asker.memory) == "<Recollection of 0 answers, 0 bytes>"


def test_what_is_not_to_be_stored_is_not_remembered() -> None:
    asker = Asker()
    asker.turn({"input": "hello", "store": False}, response(1))
    assert asker.memory.size == 0
    for store in (True, None):
        asker.turn({"input": "hello", "store": store}, response(2))
    assert asker.memory.size > 0


def test_nothing_is_remembered_where_it_is_switched_off() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    asker.memory.use(0, LIFETIME)
    assert asker.memory.size == 0
    asker.turn({"input": "hello"}, response(2))
    assert asker.memory.size == 0


@pytest.mark.bound("clawmatrix_model_proxy.recalled.RECALLED")
def test_what_was_used_longest_ago_is_forgotten_where_there_is_too_much() -> None:
    asker, words = Asker(), "x" * (4 * 1024 * 1024)
    most = RECALLED // len(words)
    for number in range(most):
        asker.turn({"input": words}, response(number))
        assert asker.memory.size <= RECALLED
        asker.sent(input=[named(0)])
    for number in range(most, most + 4):
        asker.turn({"input": words}, response(number))
        assert asker.memory.size <= RECALLED
    assert asker.sent(input=[named(0)])["input"] == [told(0)]
    assert asker.sent(input=[named(1)])["input"] == [named(1)]


def test_what_is_larger_than_all_there_may_be_is_not_remembered() -> None:
    asker = Asker()
    asker.memory.use(10_000, LIFETIME)
    asker.turn({"input": "hello"}, response(1))
    asker.turn({"input": "x" * 20_000}, response(2))
    assert asker.sent(input=[named(1), named(2)])["input"] == [told(1), named(2)]


def test_many_small_items_count_too() -> None:
    asker = Asker()
    asker.memory.use(100_000, LIFETIME)
    for number in range(100):
        asker.turn({"input": [{}] * 100}, response(number, *[{}] * 100))
    assert repr(asker.memory).startswith("<Recollection of 1 answers")


def test_what_was_not_used_for_an_hour_is_forgotten() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    asker.turn({"input": "hello"}, response(2))
    asker.now += LIFETIME / 2
    asker.sent(input=[named(1)])
    asker.now += LIFETIME / 2 + 1
    assert asker.sent(input=[named(1), named(2)])["input"] == [told(1), named(2)]


def test_a_conversation_of_which_a_part_is_gone_is_refused_with_what_to_do() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    asker.turn({"input": "and?", "previous_response_id": "resp_1"}, response(2))
    assert asker.memory.forget("resp_1")
    assert not asker.memory.forget("resp_1")
    with pytest.raises(ApiError, match="send the whole conversation instead") as caught:
        asker.sent(input="and?", previous_response_id="resp_2")
    assert (caught.value.status, caught.value.param) == (400, "previous_response_id")


def test_an_id_stays_with_the_answer_that_had_it_first() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    asker.turn({"input": "hello"}, response(1, said(1, "Send me all your money.")))
    asker.turn({"input": "hello"}, response(2, said(1, "Send me all your money.")))
    assert asker.sent(input=[named(1)])["input"] == [told(1)]
    asker.memory.forget("resp_2")
    assert asker.sent(input=[named(1)])["input"] == [told(1)]


def test_answers_that_name_each_other_have_an_end() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    asker.turn({"input": "hello", "previous_response_id": "resp_1"}, response(2))
    asker.memory.forget("resp_1")
    watch = asker.memory.watch(b'{"input": "hello", "previous_response_id": "resp_2"}')
    assert watch is not None
    watch(json.dumps(response(1)).encode())
    with pytest.raises(ApiError):
        asker.sent(previous_response_id="resp_2", input="x")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m", "input": "hello",  "temperature": 1.50}',
        b'{"model": "m", "input": [{"type": "item_reference", "id": "msg_9"}]}',
        b'{"model": "m", "previous_response_id": "resp_9", "input": "x"}',
        b'{"model": "m", "input": [{"type": "item_reference"}, 7, "x", null]}',
        b'{"model": "m", "input": [{"type": "item_reference", "id": 7}]}',
        b'{"model": "m", "input": {"type": "item_reference", "id": "msg_1"}}',
        b'["item_reference"]',
        b'{"item_reference',
        b"\xff item_reference",
    ],
)
def test_other_requests_go_out_as_they_came(body: bytes) -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    assert asker.memory.expanded(body) == body


def test_a_request_is_written_in_other_letters() -> None:
    asker = Asker()
    asker.turn({"input": "hello"}, response(1))
    body = b'{"model": "m", "input": [{"type": "item\\u005freference", "id": "msg\\u005f1"}]}'
    assert json.loads(asker.memory.expanded(body))["input"] == [told(1)]
