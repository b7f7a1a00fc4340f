"""Modules that import their public names late."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from clawmatrix_core.base.lazy import lazy_names

HOME = "colorsys"
"""A module that nothing here has imported."""


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that shows two names of another, which is not imported yet."""
    module = ModuleType("shelf")
    monkeypatch.setitem(sys.modules, "shelf", module)
    monkeypatch.delitem(sys.modules, HOME, raising=False)
    get, names = lazy_names("shelf", {HOME: ("rgb_to_hsv", "hsv_to_rgb")})
    vars(module).update(__getattr__=get, __dir__=names)
    return module


def test_a_name_is_imported_when_it_is_first_used(shelf: ModuleType) -> None:
    assert HOME not in sys.modules
    value = shelf.rgb_to_hsv
    assert value is sys.modules[HOME].rgb_to_hsv
    assert vars(shelf)["rgb_to_hsv"] is value


def test_all_names_are_listed_before_they_are_imported(shelf: ModuleType) -> None:
    assert {"rgb_to_hsv", "hsv_to_rgb", "__name__"} <= set(dir(shelf))
    assert HOME not in sys.modules


def test_a_name_that_is_not_shown_is_an_error(shelf: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'shelf' has no attribute 'rgb_to_yiq'"):
        _ = shelf.rgb_to_yiq
