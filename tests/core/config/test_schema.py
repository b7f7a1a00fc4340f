"""What the class of a table can be made of."""

from __future__ import annotations

import attrs
import pytest

from clawmatrix_core.config.schema import check_class, option


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


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Bare, "Bare.items: an option cannot have the type"),
        (Fixed, "Fixed.pair: an option cannot have the type"),
        (Deep, "Deep.all: an option cannot have the type"),
        (Lost, "import it outside of TYPE_CHECKING"),
        (int, "is not an attrs class"),
    ],
)
def test_a_class_that_cannot_be_read_is_refused_early(cls: type, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_class(cls)
