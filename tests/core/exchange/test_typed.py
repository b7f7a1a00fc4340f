"""Typed talk: attrs classes out and in, and errors that name the field."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - read at run time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from clawmatrix_core import (
    ExchangeFailure,
    Frame,
    Node,
    PluginScope,
    Secret,
    WrongShape,
    frame_types,
    hookimpl,
)
from clawmatrix_core.exchange.shapes import MOST, encode, read_as
from clawmatrix_core.testing.fixtures import MeshFactory  # noqa: TC001 - a fixture

if TYPE_CHECKING:
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
            {"dice": [], "odds": {"to one": "x"}},
            ['roll.odds."to one": expected a number, not text'],
        ),
        ({"dice": [], "limit": 0}, ["roll.limit: must be > 0: 0"]),
    ],
)
def test_each_mistake_is_named_by_its_path(payload: Any, expected: list[str]) -> None:
    found = problems(payload)
    assert [line.replace("'limit' ", "") for line in found] == expected


def test_a_payload_full_of_mistakes_costs_no_more_than_a_few() -> None:
    assert len(problems({"dice": ["x"] * 10_000})) == MOST
    [line] = problems({"dice": [], "odds": {"k" * 60_000: "x"}})
    assert len(line) <= 200


def test_a_payload_nested_too_deep_is_of_a_wrong_shape() -> None:
    payload: dict[str, Any] = {}
    for _ in range(900):
        payload = {"inner": payload}
    assert problems(payload, Nest) == ["roll: is nested too deep"]


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
