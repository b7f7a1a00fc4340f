"""What counts as a list, and what is told of anything else."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_core.base.as_list import as_list


@pytest.mark.parametrize("values", [["a"], ("a",), {"a"}, iter("a"), (one for one in "a")])
def test_lists_and_other_iterables_are_taken(values: Any) -> None:
    assert as_list(values) == ["a"]


@pytest.mark.parametrize("values", ["two", b"two", bytearray(b"two"), {"two": 2}, 2, None])
def test_what_would_be_taken_apart_is_an_error(values: Any) -> None:
    with pytest.raises(TypeError, match=f"^plugins is a {type(values).__name__}, not a list$"):
        as_list(values, "plugins is")
