"""How streams ended, by their last bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.streams.endings import TAIL, Ending, Tail


def event(content: str | None = None, finish: str | None = None, index: int = 0) -> bytes:
    """Return a chunk of a chat completion as an event."""
    delta = {} if content is None else {"content": content}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"


def ending(*pieces: bytes) -> Ending:
    """Return how a stream of these pieces ended."""
    tail = Tail()
    for piece in pieces:
        tail.feed(piece)
    return tail.ending()


@pytest.mark.parametrize(
    "last",
    [
        DONE,
        b"data:[DONE]\n\n",
        b"data: [DONE]",
        b"data: [DONE]\r\n\r\n",
        b"data: [DONE]\n\n: bye\n\n",
        b"data: [DONE]\n",
    ],
)
def test_done_is_done(last: bytes) -> None:
    assert ending(event("a"), last) is Ending.DONE


def test_done_is_found_wherever_the_pieces_were_cut() -> None:
    stream = event("a") + event(finish="stop") + DONE
    for at in range(len(stream)):
        assert ending(stream[:at], stream[at:]) is Ending.DONE


def test_done_within_what_the_model_says_is_not_the_end() -> None:
    assert ending(event("data: [DONE]")) is Ending.CUT
    assert ending(event("\n\ndata: [DONE]\n\n")) is Ending.CUT


def test_a_finish_reason_ends_a_stream_without_done() -> None:
    assert ending(event("a"), event(finish="stop")) is Ending.FINISHED
    assert ending(event("a"), event(finish="length"), USAGE, b": ping\n\n") is Ending.FINISHED
    assert ending((event("a") + event(finish="stop")).replace(b"\n", b"\r\n")) is Ending.FINISHED


def test_a_stream_that_stops_before_its_finish_reason_is_cut() -> None:
    assert ending() is Ending.CUT
    assert ending(b"") is Ending.CUT
    assert ending(b": ping\n\n") is Ending.CUT
    assert ending(event("a")) is Ending.CUT
    assert ending(event("a"), USAGE) is Ending.CUT
    assert ending(event(finish=""), USAGE) is Ending.CUT


def test_a_stream_that_stops_within_an_event_is_cut_although_it_had_finished() -> None:
    assert ending(event("a"), event(finish="stop")[:-2]) is Ending.CUT
    assert ending(event(finish="stop"), USAGE[:20]) is Ending.CUT


def test_every_choice_has_to_have_finished() -> None:
    both = event("a", index=0) + event("b", index=1) + event(finish="stop", index=1)
    assert ending(both) is Ending.CUT
    assert ending(both, event(finish="stop", index=0)) is Ending.FINISHED


def test_an_error_of_the_upstreams_own_is_told_apart() -> None:
    error = b'data: {"error": {"message": "out of memory"}}\n\n'
    assert ending(event("a"), error) is Ending.ERROR
    assert ending(event("a"), b'event: error\ndata: {"error": "x"}\n\n') is Ending.ERROR
    assert ending(b'data: {"error": null}\n\n') is Ending.CUT


def test_a_long_stream_is_judged_by_its_end_and_forgotten_otherwise() -> None:
    tail = Tail()
    for _ in range(1000):
        tail.feed(event("x" * 100))
    tail.feed(event(finish="stop"))
    assert tail.ending() is Ending.FINISHED
    assert sum(map(len, tail._pieces)) < TAIL + 1024


def test_a_finish_before_one_huge_piece_is_still_seen() -> None:
    assert ending(event("x" * 3 * TAIL) + event(finish="stop") + USAGE) is Ending.FINISHED


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_have_an_ending(pieces: list[bytes]) -> None:
    assert ending(*pieces) in Ending


@given(st.binary(max_size=4000))
def test_json_like_garbage_has_an_ending(garbage: bytes) -> None:
    assert ending(b"data: " + garbage + b"\n\n") in Ending
