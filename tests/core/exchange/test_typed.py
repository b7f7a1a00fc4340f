"""Typed talk: attrs classes out and in, and errors that name the field."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping  # noqa: TC003 - read at run time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from clawmatrix_core import (
    ExchangeFailure,
    Frame,
    LocalProtocolError,
    Node,
    PluginScope,
    Secret,
    WrongShape,
    frame_types,
    hookimpl,
)
from clawmatrix_core.config.reader import MAX_DEPTH
from clawmatrix_core.exchange.shapes import MOST, encode, read_as
from clawmatrix_core.testing.fixtures import MeshFactory  # noqa: TC001 - a fixture

if TYPE_CHECKING:
    from types import FrameType

    from clawmatrix_core.exchange.exchange import Exchange


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Die:
    sides: int = 6
    colour: Colour = Colour.RED


@attrs.frozen
class Roll:
    dice: list[Die]
    thrown_by: str = attrs.field(default="", alias="thrownBy")
    marks: frozenset[str] = frozenset()
    mode: Literal["one", "all"] = "all"
    odds: Mapping[str, float] = attrs.field(factory=dict)
    limit: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0))
    )


@attrs.frozen
class Rolled:
    number: int


@attrs.frozen
class Nest:
    inner: Nest | None = None


def read(payload: Any, shape: type = Roll) -> Any:
    return read_as(shape, payload, "roll", code="bad_request")


def problems(payload: Any, shape: type = Roll) -> list[str]:
    with pytest.raises(WrongShape) as caught:
        read(payload, shape)
    assert caught.value.code == "bad_request"
    assert caught.value.detail == {"problems": list(caught.value.problems)}
    return list(caught.value.problems)


# --- shapes


def test_what_goes_out_comes_in_as_it_was() -> None:
    roll = Roll(
        [Die(), Die(20, Colour.BLUE)], "ann", frozenset({"x"}), "one", {"six": 0.5}, limit=3
    )
    payload = json.loads(encode(roll))
    assert payload == {
        "dice": [{"sides": 6, "colour": "red"}, {"sides": 20, "colour": "blue"}],
        "thrownBy": "ann",
        "marks": ["x"],
        "mode": "one",
        "odds": {"six": 0.5},
        "limit": 3,
    }
    assert read(payload) == roll


def test_keys_that_no_field_has_are_passed_over() -> None:
    assert read({"dice": [{"weight": 3}], "since": 2}) == Roll([Die()])


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, ["roll.dice: is missing"]),
        (None, ["roll: expected an object, not null"]),
        ([1], ["roll: expected an object, not a list"]),
        (b"x", ["roll: expected an object, not bytes"]),
        ({"dice": "six"}, ["roll.dice: expected a list, each an object, not text"]),
        ({"dice": [{}, 3]}, ["roll.dice[1]: expected an object, not a number"]),
        (
            {"dice": [{"sides": "six"}, {"sides": True}, {"sides": 1.0}]},
            [
                "roll.dice[0].sides: expected a whole number, not text",
                "roll.dice[1].sides: expected a whole number, not true or false",
                "roll.dice[2].sides: expected a whole number, not a number",
            ],
        ),
        (
            {"dice": [{"colour": "a secret colour"}]},
            ['roll.dice[0].colour: expected one of "red", "blue"'],
        ),
        ({"dice": [], "mode": None}, ['roll.mode: expected one of "one", "all"']),
        ({"dice": [], "thrownBy": 1}, ["roll.thrownBy: expected text, not a number"]),
        (
            {"dice": [], "odds": {"one": 1, "to one": "x"}},
            ["roll.odds[1]: expected a number, not text"],
        ),
        ({"dice": [], "limit": 0}, ["roll.limit: must be > 0"]),
    ],
)
def test_each_mistake_is_named_by_its_path(payload: Any, expected: list[str]) -> None:
    assert problems(payload) == expected


def test_a_payload_full_of_mistakes_costs_no_more_than_a_few() -> None:
    assert len(problems({"dice": ["x"] * 10_000})) == MOST


def test_a_payload_nested_too_deep_is_of_a_wrong_shape() -> None:
    [line] = problems(nested(900), Nest)
    assert line.startswith("roll.inner.inner")
    assert line.endswith("…: is nested too deep")
    assert len(line) <= 200
    assert read(nested(MAX_DEPTH - 1), Nest)


def nested(depth: int, key: str = "inner", innermost: object = None) -> Any:
    payload: Any = {} if innermost is None else innermost
    for _ in range(depth):
        payload = {key: payload}
    return payload


# --- what a peer may cost, and make a node say


@attrs.frozen
class Sum:
    left: Sum | Negative | int
    op: str


@attrs.frozen
class Negative:
    left: Sum | Negative | int
    no: str


@attrs.frozen
class Asked:
    term: Sum | Negative


def work(depth: int) -> int:
    """Return how many calls of functions it takes to refuse a term nested so deep."""
    payload = {"term": nested(depth, "left", "bad")}
    problems(payload, Asked)  # whatever is done once only
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        problems(payload, Asked)
    finally:
        sys.setprofile(None)
    return calls


def test_a_payload_costs_in_proportion_to_its_depth() -> None:
    assert work(40) < 5 * work(10)
    assert work(100) < 6 * work(10)  # it ends at the greatest depth
    assert work(1000) < 6 * work(10)


def test_a_union_is_read_as_the_class_whose_keys_are_there() -> None:
    term = {"left": {"left": 1, "no": "x"}, "op": "+"}
    assert read({"term": term}, Asked) == Asked(Sum(Negative(1, "x"), "+"))
    assert problems({"term": {"left": "x", "no": ""}}, Asked) == [
        "roll.term.left: expected an object or a whole number, not text"
    ]


@attrs.frozen
class Checked:
    letter: str = attrs.field(default="a", validator=attrs.validators.in_(["a", "b"]))
    word: str = attrs.field(default="a", validator=attrs.validators.matches_re("[a-z]+"))
    number: int = attrs.field(default=0)
    pair: int = attrs.field(default=0)
    names: Mapping[str, int] = attrs.field(factory=dict)

    @number.validator
    def _check_number(self, field: object, value: int) -> None:
        if value:
            raise KeyError(f"OUCH {value}")

    def __attrs_post_init__(self) -> None:
        if self.pair:
            raise LookupError(f"OUCH {self.pair}")


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"letter": "OUCH"}, "roll.letter: must be one of 'a', 'b'"),
        ({"word": "OUCH"}, "roll.word: must be text that matches '[a-z]+'"),
        ({"number": 1}, "roll.number: has a value that is not allowed"),
        ({"pair": 1}, "roll: has a value that is not allowed"),
        ({"names": {"one": 1, "OUCH": "x"}}, "roll.names[1]: expected a whole number, not text"),
    ],
)
def test_no_message_repeats_what_a_peer_said(payload: Any, line: str) -> None:
    assert problems(payload, Checked) == [line]


@pytest.mark.parametrize("kind", [Secret, Path, tuple[Path, ...], bytes, Any])
def test_a_class_may_not_have_what_reads_files_or_is_no_json(kind: Any) -> None:
    shape = attrs.make_class("Shape", {"field": attrs.field(type=kind)})
    if kind is Any:
        assert read({"field": [1]}, shape).field == [1]
        return
    with pytest.raises(TypeError, match=r"Shape\.field: a payload cannot have the type"):
        read({"field": "file:/etc/hostname"}, shape)


def test_what_cannot_be_in_a_set_is_of_a_wrong_shape() -> None:
    shape = attrs.make_class("Shape", {"field": attrs.field(type=set[Any])})
    assert read({"field": [1, "x"]}, shape).field == {1, "x"}
    assert problems({"field": [{}]}, shape) == [
        "roll.field: has a value in it that cannot be in a set"
    ]


def test_only_attrs_classes_are_shapes() -> None:
    with pytest.raises(TypeError, match="not an attrs class"):
        read({}, dict)


# --- over a mesh


class DicePlugin:
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("roll")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        roll = ex.request_as(Roll)
        if roll.mode == "one":
            await ex.finish({"number": "four"})
        for die in roll.dice:
            await ex.send(Rolled(die.sides))


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_typed_talk_between_two_nodes(mesh: MeshFactory) -> None:
    async with mesh({"home": [], "office": ["home"]}, plugins=[DicePlugin]) as nodes:
        home = nodes["home"]
        roll = Roll([Die(2), Die(4)])
        async with home.exchange("office", "roll", roll, answer=Rolled, complete=True) as ex:
            assert await ex.receive() == Rolled(2)
            assert [rolled async for rolled in ex] == [Rolled(4)]

        wrong_answer = Roll([], mode="one")
        async with home.exchange("office", "roll", wrong_answer, answer=Rolled) as ex:
            with pytest.raises(WrongShape, match=r"roll\.number: expected a whole number, not te"):
                await ex.receive()

        wrong = {"dice": [{}, {"sides": "six"}]}
        async with home.exchange("office", "roll", wrong, answer=Rolled) as ex:
            with pytest.raises(ExchangeFailure) as caught:
                await ex.receive()
        line = "roll.dice[1].sides: expected a whole number, not text"
        assert caught.value.code == "bad_request"
        assert caught.value.detail == {"problems": [line]}
        assert str(caught.value) == line

        with pytest.raises(TypeError, match="not an attrs class"):
            home.exchange("office", "roll", answer=dict)


def test_text_that_is_not_utf8_is_the_callers_mistake() -> None:
    with pytest.raises(LocalProtocolError, match=r"^a text of the payload is not UTF-8 text$"):
        encode({"name": "a\udcff"})
