"""Tests of what registration hooks return."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from clawmatrix_core.loading.contributions import StatusSection

pytestmark = pytest.mark.anyio


async def later(value: Any) -> Any:
    return value


@pytest.mark.parametrize("read", [lambda: {"a": [1]}, lambda: later({"a": [1]})])
async def test_a_section_is_what_it_reads(read: Any) -> None:
    assert await StatusSection("x", read).value() == {"a": [1]}


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: {1: object()}, "TypeError: Encoding objects of type object is unsupported"),
        (lambda: later(object()), "TypeError: Encoding objects of type object is unsupported"),
        (lambda: sys.exit(2), "EndsProcess: means to end the process (SystemExit: 2)"),
        (None, "TypeError: 'NoneType' object is not callable"),
    ],
)
async def test_a_section_that_cannot_be_read_is_an_error_and_a_fault(read: Any, words: str) -> None:
    faults: list[str] = []
    section = StatusSection(
        "x", read, plugin="own", on_fault=lambda error: faults.append(type(error).__name__)
    )
    assert await section.value() == {"error": f"plugin own: {words}"}
    assert faults == [words.partition(":")[0]]
