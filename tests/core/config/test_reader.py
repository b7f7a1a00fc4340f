"""Tests of reading tables into attrs classes, and of what is said about mistakes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence  # noqa: TC003 - read from the annotations
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import attrs
import pytest

from clawmatrix_core.config.kinds import fields_of
from clawmatrix_core.config.messages import Problem, Problems, TableMistakes
from clawmatrix_core.config.reader import make_converter, read_table
from clawmatrix_core.config.schema import check_class, option
from clawmatrix_core.config.types import ByteSize, Duration, HostPort, Secret, Source

Name = NewType("Name", str)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Shade(StrEnum):
    LIGHT = "light"


@attrs.frozen
class Model:
    id: str = option(doc="Its name.")
    api: Literal["openai-completions", "anthropic-messages"] = option(
        default="openai-completions", doc="What it speaks."
    )
    weight: float = option(default=1.0, doc="Its share.", validator=attrs.validators.gt(0))


@attrs.frozen
class Grant:
    tools: tuple[str, ...] = option(default=(), doc="Which tools.")


@attrs.frozen
class Grants:
    nodes: Mapping[Name, Grant] = option(factory=dict, rest=True, doc="To whom.", name="NODE")


@attrs.frozen
class Everything:
    text: str = option(default="", doc="")
    count: int = option(
        default=1,
        doc="",
        validator=[attrs.validators.ge(1), attrs.validators.le(9)],
    )
    flag: bool = option(default=False, doc="")
    ratio: float = option(default=0.5, doc="")
    where: Path = option(default=Path("/"), doc="")
    colour: Colour = option(default=Colour.RED, doc="")
    shade: Shade | None = option(default=None, doc="")
    name: Name = option(default=Name("n"), doc="")
    noted: Annotated[int, "pages"] = option(default=0, doc="")
    size: ByteSize = option(default=ByteSize(1), doc="")
    wait: Duration = option(default=Duration(1), doc="")
    listen: HostPort | None = option(default=None, doc="")
    key: Secret | None = option(default=None, doc="")
    models: list[Model] = option(factory=list, doc="")
    order: Sequence[str] = option(default=(), doc="")
    once: frozenset[int] = option(default=frozenset(), doc="")
    peers: Literal["*"] | tuple[str, ...] = option(default=(), doc="")
    extra: dict[str, Any] = option(factory=dict, doc="")
    shape: Mapping[str, Mapping[str, int]] = option(factory=dict, doc="")
    anything: object = option(default=None, doc="")


@attrs.frozen
class Pair:
    low: int = option(default=0, doc="")
    high: int = option(default=9, doc="")

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


@attrs.frozen
class Pairs:
    of: Mapping[str, Pair] = option(factory=dict, doc="", rest=True)

    def __attrs_post_init__(self) -> None:
        same = [name for name, pair in self.of.items() if pair.low == pair.high]
        if same:
            raise TableMistakes(((name, "low"), "must not be high") for name in same)


@attrs.frozen
class Related:
    low: int = attrs.field(default=0)
    high: int = attrs.field(default=9)

    @high.validator
    def _above_low(self, _: object, value: int) -> None:
        if value < self.low:
            raise ValueError("'high' must not be below low")


@attrs.frozen
class Converted:
    words: tuple[str, ...] = attrs.field(
        converter=tuple[str, ...], validator=attrs.validators.instance_of(tuple)
    )
    made: int = attrs.field(init=False, default=3)


def read(cls: type[Any], **table: object) -> Any:
    check_class(cls)
    return read_table(make_converter(Source(base=Path("/etc"))), cls, table)


def complaints(cls: type[Any], **table: object) -> list[str]:
    with pytest.raises(Problems) as caught:
        read(cls, **table)
    return [str(problem) for problem in caught.value.found]


def test_a_class_tells_of_mistakes_in_its_table_each_with_its_place() -> None:
    assert complaints(Pairs, a={"low": 9}, b={}, c={"high": 0}) == [
        "a.low: must not be high",
        "c.low: must not be high",
    ]
    with pytest.raises(ValueError, match=r"x\.low: must not be high; y\.low: must not be high"):
        Pairs(of={"x": Pair(low=9), "y": Pair(high=0)})


def test_a_table_becomes_the_class() -> None:
    made = read(
        Everything,
        text="x",
        count=3,
        flag=True,
        ratio=2,
        where="here",
        colour="blue",
        shade="light",
        name="office",
        noted=4,
        size="1 kB",
        wait="5s",
        listen="[::]:0",
        key="k" * 40,
        models=[{"id": "a"}, {"id": "b", "api": "anthropic-messages"}],
        order=["b", "a"],
        once=[1, 1, 2],
        peers="*",
        extra={"x": [1, {"y": None}]},
        shape={"a": {"b": 1}},
        anything=[1],
    )
    assert made == Everything(
        text="x",
        count=3,
        flag=True,
        ratio=2.0,
        where=Path("/etc/here"),
        colour=Colour.BLUE,
        shade=Shade.LIGHT,
        name=Name("office"),
        noted=4,
        size=ByteSize(1000),
        wait=Duration(5),
        listen=HostPort("::", 0),
        key=Secret("k" * 40),
        models=[Model(id="a"), Model(id="b", api="anthropic-messages")],
        order=("b", "a"),
        once=frozenset({1, 2}),
        peers="*",
        extra={"x": [1, {"y": None}]},
        shape={"a": {"b": 1}},
        anything=[1],
    )
    assert isinstance(made.ratio, float)
    assert isinstance(made.size, ByteSize)


def test_an_empty_table_has_the_defaults() -> None:
    assert read(Everything) == Everything()


def test_values_that_code_has_made_already_are_taken() -> None:
    made = read(Everything, where=Path("/x"), colour=Colour.BLUE, listen=None, order=("a",))
    assert (made.where, made.colour, made.listen) == (Path("/x"), Colour.BLUE, None)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("text", 5, "expected text, got 5"),
        ("text", None, "expected text, got nothing"),
        ("text", ["a"], "expected text, got a list"),
        ("count", "abc", 'expected a whole number, got "abc"'),
        ("count", True, "expected a whole number, got true"),
        ("count", 1.0, "expected a whole number, got 1.0"),
        ("count", 0, "must be >= 1: 0"),
        ("count", 10, "must be <= 9: 10"),
        ("flag", 1, "expected true or false, got 1"),
        ("flag", "yes", 'expected true or false, got "yes"'),
        ("ratio", True, "expected a number, got true"),
        ("ratio", float("nan"), "expected a finite number"),
        ("ratio", 10**400, "expected a finite number"),
        ("where", 5, "expected a path, got 5"),
        ("where", "", "is not a path"),
        ("colour", "green", '"green" is not one of "red", "blue"'),
        ("noted", "x", 'expected a whole number, got "x"'),
        ("listen", "x", "expected an address like"),
        ("listen", ":1", 'names no host: "[::]:1" listens on all addresses'),
        ("size", "big", 'or text like "512 kB" or "4 GiB", got "big"'),
        ("wait", -1, "must be zero or more, and finite"),
        ("order", "abc", 'expected a list, each text, got "abc"'),
        ("models", {"id": "x"}, "expected a list of tables, got a table"),
        ("extra", [1], "expected a table, got a list"),
        ("peers", 5, 'expected one of "*" or a list, each text, got 5'),
        ("text", datetime.date(2026, 1, 1), "expected text, got a date or time"),
        ("text", object(), "expected text, got a object"),
        ("count", 2**64, "expected a whole number of at most 64 bits"),
        ("count", -(10**4000), "expected a whole number of at most 64 bits"),
        ("text", 10**100, "expected text, got a huge number"),
        ("count", "x" * 100, f'expected a whole number, got "{"x" * 58}…'),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(key: str, value: object, message: str) -> None:
    (line,) = complaints(Everything, **{key: value})
    assert line.startswith(f"{key}: ")
    assert message in line


def test_a_wrong_secret_is_not_repeated() -> None:
    (line,) = complaints(Everything, key=123456)
    assert line == 'key: expected a secret: the text itself, "env:NAME" or "file:PATH"'


def test_every_mistake_is_found_and_named_by_its_path() -> None:
    assert complaints(
        Everything,
        count="x",
        models=[
            {"id": "a", "api": "openai"},
            {"weight": 0, "wieght": 2},
            5,
        ],
        order=["a", 1],
        shape={"b": {"c": "d"}, "a name": 1},
        txt="x",
    ) == [
        'count: expected a whole number, got "x"',
        'models[0].api: "openai" is not one of "openai-completions", "anthropic-messages"',
        "models[1].id: is missing",
        "models[1].weight: must be > 0: 0.0",
        'models[1].wieght: unknown key (did you mean "weight"?)',
        "models[2]: expected a table, got 5",
        "order[1]: expected text, got 1",
        'shape.b.c: expected a whole number, got "d"',
        'shape."a name": expected a table, got 1',
        'txt: unknown key (did you mean "text"?)',
    ]


def test_an_unknown_key_like_no_other_gets_no_suggestion() -> None:
    assert complaints(Everything, zzzzzz=1) == ["zzzzzz: unknown key"]


def test_a_mistake_within_a_choice_of_types_is_that_of_the_type_meant() -> None:
    assert complaints(Everything, peers=["a", 1]) == ["peers[1]: expected text, got 1"]


def test_a_field_can_take_all_other_keys() -> None:
    assert read(Grants, home={"tools": ["read"]}) == Grants(
        nodes={Name("home"): Grant(tools=("read",))}
    )
    assert complaints(Grants, home={"tool": []}) == [
        'home.tool: unknown key (did you mean "tools"?)'
    ]


def test_a_check_of_the_whole_table_is_told_of_the_table() -> None:
    (problem,) = _problems(Pair, low=5, high=1)
    assert problem == Problem((), "low must not be above high")


def test_a_check_that_looks_at_other_fields_runs_once_they_are_there() -> None:
    assert read(Related, low=1, high=2) == Related(low=1, high=2)
    assert complaints(Related, low=5, high=1) == [": 'high' must not be below low"]


def test_a_field_with_a_converter_is_checked_behind_it() -> None:
    check_class(Converted)
    made = read(Converted, words=["a"])
    assert (made.words, made.made) == (("a",), 3)
    assert [field.name for field in fields_of(Converted)] == ["words"]


def _problems(cls: type[Any], **table: object) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        read(cls, **table)
    return caught.value.found


@attrs.frozen
class Tree:
    branches: list[Tree] = option(factory=list, doc="")


def test_a_table_may_hold_its_own_kind() -> None:
    assert read(Tree, branches=[{"branches": [{}]}]) == Tree(branches=[Tree(branches=[Tree()])])
