"""What a caller is told of arguments that do not fit."""

from __future__ import annotations

from typing import Literal

import attrs
import pytest

from clawmatrix_tool_proxy.api import ToolError, tool


@attrs.frozen
class Part:
    """An argument within an argument."""

    size: int


@tool
def read(path: str, kind: Literal["a", "b"] = "a", parts: list[Part] | None = None) -> str:
    """Read a file."""
    return f"{path} {kind} {parts}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "path is missing"),
        ({"pth": "x"}, '`pth` is unknown (did you mean "path"?)'),
        ({"path": "x", "zzz": 1}, "`zzz` is unknown"),
        ({"path": "x", "y" * 100: 1}, f"`{'y' * 64}...` is unknown"),
        ({"path": 3}, "path: expected `str`, got `int`"),
        ({"path": "x", "kind": "c"}, "kind: invalid enum value 'c'"),
        ({"path": "x", "parts": [{}]}, "parts[0].size is missing"),
        ({"path": "x", "parts": [{"size": "s"}]}, "parts[0].size: expected `int`, got `str`"),
    ],
)
def test_arguments_that_do_not_fit_are_told_by_name(
    arguments: dict[str, object], words: str
) -> None:
    assert read.check is not None
    with pytest.raises(ToolError) as raised:
        read.check(arguments)
    assert (str(raised.value), raised.value.code) == (words, "bad_arguments")
