"""Attributes that are there once their object is entered."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.entered import once_entered
from clawmatrix_core.base.errors import LocalProtocolError


class House:
    door: str = once_entered()
    _key: str = once_entered()

    def __repr__(self) -> str:
        return "<House>"

    def unlock(self) -> str:
        return self._key


def test_before_it_is_an_error_that_names_the_object_and_what_to_do() -> None:
    with pytest.raises(LocalProtocolError, match=r"^<House> does not run yet, and so has no door:"):
        _ = House().door
    with pytest.raises(LocalProtocolError, match=r"^<House> does not run yet: enter it with"):
        House().unlock()


def test_what_is_set_is_found_and_hasattr_says_so() -> None:
    house, other = House(), House()
    assert not hasattr(house, "door")
    house.door = "red"
    assert house.door == "red"
    assert not hasattr(other, "door")
