"""What counts as flat."""

from __future__ import annotations

import pytest

from tests.tools.flat import course


def test_a_quantity_that_goes_up_and_down_is_flat() -> None:
    samples = [(float(at), 100.0 + at % 7) for at in range(100)]
    assert course(samples).wrong("memory", grown=2, most=10) == []


def test_a_quantity_that_grows_slowly_is_not_flat() -> None:
    samples = [(float(at), 100.0 + at % 7 + at / 10) for at in range(100)]
    (wrong,) = course(samples).wrong("memory", grown=5, most=100)
    assert wrong.startswith("memory grew by 8")


def test_a_single_peak_counts_as_the_most_and_not_as_growth() -> None:
    samples = [(float(at), 500.0 if at == 90 else 100.0) for at in range(100)]
    (wrong,) = course(samples).wrong("memory", grown=1, most=100)
    assert wrong == "memory came to 500, 100 more than 100 may be"


def test_the_warm_up_does_not_count() -> None:
    samples = [(float(at), float(min(at, 20))) for at in range(100)]
    assert course(samples).wrong("memory", grown=0, most=0) == []


def test_what_has_too_few_samples_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="1 samples"):
        course([(0.0, 1.0)])
