"""How many values a text of JSON has, before it is decoded."""

from __future__ import annotations

import json

import pytest

from clawmatrix_tool_proxy.json_marks import marks_in


@pytest.mark.parametrize(
    ("value", "marks"),
    [
        ([], 1),
        ([1, 2, 3], 3),
        ({"a": [], "b": {}}, 4),
        ({"text": 'a, [b], {c}, \\"d\\", "'}, 1),
        ('[,{\\"[', 0),
    ],
)
def test_marks_in_strings_are_no_values(value: object, marks: int) -> None:
    assert marks_in(json.dumps(value).encode(), 0) == marks


def test_a_text_with_few_marks_is_not_looked_at_closer() -> None:
    assert marks_in(b'["[,["]', 9) == 4
    assert marks_in(b'["[,["]', 3) == 1


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 2_000_000, b'"' * 2_000_001, b'"\\', b'"[,['])
def test_a_string_without_an_end_takes_no_time(text: bytes) -> None:
    assert marks_in(text + b",", 0) <= 1
