"""Where one event of a stream ends and the next begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.streams.sse import (
    BOUNDARY,
    EVENT_LIMIT,
    PORTION,
    SILENT_LIMIT,
    SILENT_LINES,
    EventTooLarge,
    Silence,
    WholeEvents,
    events_in,
    lines_in,
    portions,
)

A, B = b'data: {"a": 1}\n\n', b'data: {"b": 2}\n\n'


def test_whole_events_go_through_at_once() -> None:
    events = WholeEvents()
    assert events.feed(A + B) == A + B
    assert events.rest() == b""


def test_the_beginning_of_an_event_is_kept_until_its_end_comes() -> None:
    events = WholeEvents()
    assert events.feed(A + b"data: {") == A
    assert events.feed(b'"x": 1}') == b""
    assert events.feed(b"\n") == b""
    assert events.feed(b"\n" + B) == b'data: {"x": 1}\n\n' + B


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_all_three_ends_of_a_line_are_known(end: bytes) -> None:
    events = WholeEvents()
    assert events.feed(b"data: 1" + end + b"data: 2") == b"data: 1" + end
    assert events.feed(end) == b"data: 2" + end


def test_the_rest_is_given_out_once() -> None:
    events = WholeEvents()
    events.feed(b"data: [DONE]")
    assert (events.rest(), events.rest()) == (b"data: [DONE]", b"")


def test_no_more_than_the_limit_is_kept() -> None:
    events = WholeEvents(limited=False)
    assert events.feed(b"x" * EVENT_LIMIT) == b""
    assert len(events.feed(b"x")) == EVENT_LIMIT + 1


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"data: 1", b"\n\n"]), max_size=30))
def test_what_goes_in_comes_out_in_order(pieces: list[bytes]) -> None:
    events = WholeEvents()
    out = b"".join(events.feed(piece) for piece in pieces) + events.rest()
    assert out == b"".join(pieces)


@pytest.mark.bound("clawmatrix_model_proxy.streams.sse.EVENT_LIMIT")
def test_an_event_over_the_limit_is_an_error_where_it_is_limited() -> None:
    events = WholeEvents()
    assert events.feed(b"x" * EVENT_LIMIT) == b""
    with pytest.raises(EventTooLarge):
        events.feed(b"x")


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"data: 1", b"\n\n"]), max_size=30))
def test_whole_events_are_split_without_a_loss(pieces: list[bytes]) -> None:
    whole = WholeEvents().feed(b"".join(pieces))
    found = list(events_in(whole))
    together = b"".join(event + boundary for event, boundary in found)
    assert whole.startswith(together)
    assert whole[len(together) :].strip(b"\r\n") == b""
    assert not any(BOUNDARY.search(event) for event, _ in found)


@pytest.mark.bound("clawmatrix_model_proxy.streams.sse.SILENT_LIMIT")
@pytest.mark.bound("clawmatrix_model_proxy.streams.sse.SILENT_LINES")
@pytest.mark.parametrize(
    "most", [b"x" * SILENT_LIMIT, b"\n" * SILENT_LINES, b"\r" * SILENT_LINES], ids=len
)
def test_what_brings_no_event_is_bounded_in_a_row(most: bytes) -> None:
    silence = Silence()
    silence.note(most, event=False)
    silence.note(most, event=True)
    silence.note(most, event=False)
    with pytest.raises(EventTooLarge, match="bring no event"):
        silence.note(most[:1], event=False)


@pytest.mark.bound("clawmatrix_model_proxy.streams.sse.PORTION")
@pytest.mark.parametrize(
    "data",
    [b"\r" * 300_000, b"\r\n" * 70_000, b"data: {}\n\n" * 20_000, b"x" * 99_999 + b"\n" * 9999],
)
def test_what_has_many_lines_is_looked_at_in_portions(data: bytes) -> None:
    found = list(portions(data))
    assert b"".join(found) == data
    assert max(map(lines_in, found)) <= PORTION


def test_what_has_few_lines_stays_in_one_piece() -> None:
    data = b"x" * 1_000_000 + b"\n"
    assert list(portions(data)) == [data]
