"""What the class of a table can be made of."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time
from pathlib import Path
from typing import Literal

import attrs
import pytest

from clawmatrix_core.config.reader import make_converter, read_table
from clawmatrix_core.config.schema import check_class, option
from clawmatrix_core.config.types import Source


@attrs.frozen
class Bare:
    items: list = option(factory=list, doc="")  # type: ignore[type-arg]


@attrs.frozen
class Fixed:
    pair: tuple[int, str] = option(default=(1, ""), doc="")


@attrs.frozen
class Deep:
    all: dict[str, list[bytes]] = option(factory=dict, doc="")


@attrs.frozen
class Lost:
    thing: NotThere = option(default=None, doc="")  # type: ignore[name-defined]  # noqa: F821


@attrs.frozen
class Cat:
    kind: Literal["cat"] = option(default="cat", doc="")


@attrs.frozen
class Dog:
    kind: Literal["dog"] = option(default="dog", doc="")


@attrs.frozen
class Stray:
    name: str = option(default="", doc="")


@attrs.frozen
class Pets:
    pets: list[Cat | Dog] = option(doc="")


@attrs.frozen
class Alike:
    pet: Cat | Stray | None = option(default=None, doc="")


@attrs.frozen
class TableOrClass:
    pet: Cat | Mapping[str, str] = option(doc="")


@attrs.frozen
class Lists:
    names: list[int] | list[str] = option(doc="")


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Bare, "Bare.items: an option cannot have the type"),
        (Fixed, "Fixed.pair: an option cannot have the type"),
        (Deep, "Deep.all: an option cannot have the type"),
        (Lost, "import it outside of TYPE_CHECKING"),
        (Alike, "Alike.pet: nothing tells Cat from Stray in a union: give each a Literal field"),
        (TableOrClass, "TableOrClass.pet: nothing tells Cat from"),
        (Lists, "Lists.names: a union can have one kind of list only"),
        (int, "is not an attrs class"),
    ],
)
def test_a_class_that_cannot_be_read_is_refused_early(cls: type, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_class(cls)


def test_a_literal_field_tells_the_classes_of_a_union_apart() -> None:
    check_class(Pets)
    converter = make_converter(Source(base=Path()))
    table = {"pets": [{"kind": "dog"}, {"kind": "cat"}, {}]}
    assert read_table(converter, Pets, table) == Pets(pets=[Dog(), Cat(), Cat()])
