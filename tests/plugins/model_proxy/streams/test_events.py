"""One event of a stream: how many lines of it are looked at."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.streams.events import LINES, data_of, error_without_data


@pytest.mark.bound("clawmatrix_model_proxy.streams.events.LINES")
def test_an_event_has_no_more_lines_than_the_bound() -> None:
    most = b"data: 1\n" * (LINES - 1) + b"data: 1"
    assert data_of(most) == b"\n".join([b"1"] * LINES)
    assert data_of(most + b"\ndata: 1\ndata: 1") is None


def test_lines_over_the_bound_are_not_looked_through_for_an_error() -> None:
    error = b'{"error": "full"}'
    assert error_without_data(b"{\n" * 10 + error) == "full"
    assert error_without_data(b"{\n" * (LINES + 1) + error) is None
