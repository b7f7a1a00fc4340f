"""Times in words."""

from __future__ import annotations

import pytest

from clawmatrix_mesh.times import utc_words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (0, "on 1970-01-01 at 00:00 UTC"),
        (1_760_000_000_000, "on 2025-10-09 at 08:53 UTC"),
        (2**63, "on 3058-10-26 at 03:46 UTC"),
    ],
)
def test_a_time_is_told_in_utc_and_a_far_one_as_the_latest(at: int, words: str) -> None:
    assert utc_words(at) == words
