"""Text that is not UTF-8."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.text import has_surrogates


@pytest.mark.parametrize(
    ("text", "has"),
    [("", False), ("a", False), ("é🐦", False), ("a\udcff", True), ("\ud800", True)],
)
def test_surrogates_are_found(text: str, has: bool) -> None:
    assert has_surrogates(text) is has
