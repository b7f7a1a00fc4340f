"""Tests of telling whose code a stack is in."""

from __future__ import annotations

import sys
from typing import Any

from clawmatrix_core.base import traces
from clawmatrix_core.base.traces import Place, owner_of, text_of


class First:
    def call(self) -> str:
        return _text()


class Second:
    def call(self) -> Any:
        def inner() -> str:
            return _text()

        return (lambda: inner())()


def _text() -> str:
    return text_of(sys._getframe(), 20)


def places(*owners: object) -> list[Place]:
    return [Place.of(type(owner).__name__, owner) for owner in owners]


def test_owners_that_share_a_package_are_told_apart_by_their_classes() -> None:
    shared = places(First(), Second())
    assert owner_of(First().call(), shared) == "First"
    assert owner_of(Second().call(), shared) == "Second"


def test_nobody_is_blamed_where_no_class_tells_whose_it_is() -> None:
    assert owner_of(_text(), places(First(), Second())) is None
    assert owner_of(_text(), places(First())) == "First"


def test_a_module_has_the_place_of_its_package() -> None:
    place = Place.of("traces", traces)
    assert place.has(str(traces.__file__))
    assert not place.has(__file__)


def test_frames_outside_the_loop_are_nobodys() -> None:
    stack = (
        f'  File "{__file__}", line 1, in First.call\n'
        '  File "/usr/lib/python3/asyncio/events.py", line 80, in Handle._run\n'
        '  File "/usr/lib/python3/json/encoder.py", line 3, in JSONEncoder.encode\n'
    )
    assert owner_of(stack, places(First())) is None


def test_a_stack_keeps_its_innermost_frames() -> None:
    text = text_of(sys._getframe(), 1)
    assert "in test_a_stack_keeps_its_innermost_frames" in text
    assert text.count("File ") == 1
    assert text_of(None, 5) == ""
