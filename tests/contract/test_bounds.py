"""Each bound is in the table of docs/security.md, and has a test that goes past it."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from clawmatrix_core.base.bounds import Bound
from tests.contract.bounds_doc import FILE, declared, whole
from tests.contract.house import ROOT

BOUNDS = declared()


@cache
def marked() -> frozenset[str]:
    """Return the bounds that marks of tests name: ``pytest.mark.bound("module.NAME")``."""
    return frozenset(
        argument.value
        for file in (ROOT / "tests").rglob("test_*.py")
        if "mark.bound(" in (text := file.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.bound"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )


def test_the_table_is_as_the_code_declares() -> None:
    assert FILE.read_text() == whole(), "python -m tests.contract.bounds_doc writes it"


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_test_goes_past_the_bound(name: str) -> None:
    assert name in marked(), f'no test is marked pytest.mark.bound("{name}")'


def test_marks_name_bounds_that_exist() -> None:
    assert marked() <= set(BOUNDS)


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_each_says_what_happens_in_words(name: str) -> None:
    bound = BOUNDS[name]
    assert all((bound.of, bound.fed_by, bound.when_full))
    assert "|" not in bound.of + bound.fed_by + bound.when_full


@pytest.mark.parametrize(
    ("value", "of", "text"),
    [
        (1536, "bytes of a head", "1,536"),
        (65536, "bytes of a head", "64 KiB"),
        (3 * 1024**2, "bytes of a head", "3 MiB"),
        (65536, "heads", "65,536"),
    ],
)
def test_bytes_are_read_in_larger_units(value: int, of: str, text: str) -> None:
    assert Bound(value, of, fed_by="a client", when_full="it is refused").text == text
