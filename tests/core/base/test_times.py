"""Times in words."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.times import ago


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "just now"),
        (0.9, "just now"),
        (1, "1 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (86400, "1 day ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_times_in_words(seconds: float, expected: str) -> None:
    assert ago(seconds) == expected
