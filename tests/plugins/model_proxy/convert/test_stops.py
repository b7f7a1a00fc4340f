"""Sequences found in a text that comes in pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.stops import STOP_LENGTH, STOPS, StopFinder, check_stops
from clawmatrix_model_proxy.neutral.codec import Unsupported

texts = st.text("ab\n", max_size=12)
stops = st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=3)


def let_out(pieces: list[str], sequences: list[str]) -> tuple[str, str | None, list[int]]:
    """Return the text that goes out, the sequence that ended it, and how much each piece held."""
    finder, out, held = StopFinder(sequences), "", []
    for piece in pieces:
        waiting = finder.held + piece
        out += waiting[: finder.feed(piece)]
        held.append(len(finder.held))
        if finder.found is not None:
            return out, finder.found, held
    return out + finder.held, None, held


def by_hand(text: str, sequences: list[str]) -> tuple[str, str | None]:
    """Return the same, looked at letter by letter."""
    for end in range(len(text) + 1):
        ended = [stop for stop in sequences if text[:end].endswith(stop)]
        if ended:
            stop = max(ended, key=len)
            return text[: end - len(stop)], stop
    return text, None


@given(texts, stops, st.data())
def test_the_text_ends_where_the_first_sequence_begins_however_it_is_cut(
    text: str, sequences: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    places = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    out, found, held = let_out(pieces, sequences)
    assert (out, found) == by_hand(text, sequences)
    assert max(held) < max(map(len, sequences))


@given(texts, stops)
def test_what_cannot_be_a_beginning_is_not_held_back(text: str, sequences: list[str]) -> None:
    finder = StopFinder(sequences)
    finder.feed(text)
    if finder.held:
        assert any(stop.startswith(finder.held) for stop in sequences)


@pytest.mark.bound("clawmatrix_model_proxy.convert.stops.STOPS")
@pytest.mark.bound("clawmatrix_model_proxy.convert.stops.STOP_LENGTH")
def test_more_sequences_and_longer_ones_are_refused() -> None:
    check_stops(["x" * STOP_LENGTH] * STOPS, "stop")
    for wrong in (["x"] * (STOPS + 1), ["x" * (STOP_LENGTH + 1)]):
        with pytest.raises(Unsupported, match="stop_sequences: this node cuts at"):
            check_stops(wrong, "stop_sequences")
