"""The lanes of a link: order, turns and bounds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.wire.codec import Lane
from clawmatrix_core.wire.lanes import LANE_BYTES, LaneQueue

OVERHEAD = 64
SMALL = {Lane.CONTROL: 1000, Lane.INTERACTIVE: 1000, Lane.BULK: 1000}
OFFERS = st.lists(st.tuples(st.sampled_from(Lane), st.binary(max_size=600)), max_size=60)


def drain(queue: LaneQueue) -> list[bytes]:
    """Take everything out."""
    taken = []
    while (message := queue.pop()) is not None:
        taken.append(message)
    return taken


def test_an_empty_queue_has_nothing() -> None:
    queue = LaneQueue()
    assert queue.pop() is None
    assert len(queue) == queue.waiting_bytes == 0


def test_control_goes_before_interactive_and_interactive_before_bulk() -> None:
    queue = LaneQueue()
    for lane in (Lane.BULK, Lane.INTERACTIVE, Lane.CONTROL):
        assert queue.enqueue(lane.name.encode(), lane)
    assert repr(queue) == "<LaneQueue control=1, interactive=1, bulk=1>"
    assert drain(queue) == [b"CONTROL", b"INTERACTIVE", b"BULK"]


def test_bulk_has_one_turn_in_nine_while_there_is_interactive_traffic() -> None:
    queue = LaneQueue()
    for number in range(18):
        queue.enqueue(b"i%d" % number, Lane.INTERACTIVE)
    for number in range(4):
        queue.enqueue(b"b%d" % number, Lane.BULK)
    assert [message[:1] for message in drain(queue)] == [
        *[b"i"] * 8,
        b"b",
        *[b"i"] * 8,
        b"b",
        *[b"i"] * 2,
        *[b"b"] * 2,
    ]


def test_a_lane_that_is_full_refuses_and_the_others_go_on() -> None:
    queue = LaneQueue(SMALL)
    assert queue.enqueue(bytes(400), Lane.BULK)
    assert queue.enqueue(bytes(1000 - 464 - OVERHEAD), Lane.BULK)
    assert not queue.enqueue(b"", Lane.BULK)
    assert queue.enqueue(b"", Lane.INTERACTIVE)
    assert queue.waiting_bytes == 1000 + OVERHEAD


def test_an_empty_lane_takes_a_message_of_any_size() -> None:
    queue = LaneQueue(SMALL)
    assert queue.enqueue(bytes(5000), Lane.BULK)
    assert not queue.enqueue(b"", Lane.BULK)


def test_a_lane_has_space_again_when_it_is_half_empty() -> None:
    queue = LaneQueue(SMALL)
    for _ in range(3):
        assert queue.enqueue(bytes(333 - OVERHEAD), Lane.BULK)
    assert [queue.has_space(lane) for lane in Lane] == [True, True, False]
    queue.pop()
    assert not queue.has_space(Lane.BULK)
    queue.pop()
    assert queue.has_space(Lane.BULK)


@given(OFFERS)
def test_order_within_a_lane_is_kept_and_nothing_is_lost(offers: list[tuple[Lane, bytes]]) -> None:
    queue = LaneQueue(SMALL)
    taken: dict[Lane, list[bytes]] = {lane: [] for lane in Lane}
    for lane, data in offers:
        message = bytes((lane,)) + data
        if queue.enqueue(message, lane):
            taken[lane].append(message)
        assert queue.waiting_bytes <= 3 * 1000
    assert len(queue) == sum(map(len, taken.values()))
    out = drain(queue)
    for lane in Lane:
        assert [message for message in out if message[0] == lane] == taken[lane]
    assert queue.waiting_bytes == 0


@given(st.lists(st.booleans(), max_size=200))
def test_no_lane_waits_for_ever(turns: list[bool]) -> None:
    """Between two bulk messages go at most eight interactive ones."""
    queue = LaneQueue()
    queue.enqueue(b"b", Lane.BULK)
    runs: Counter[bytes] = Counter()
    for more in turns:
        queue.enqueue(b"i", Lane.INTERACTIVE)
        if more:
            queue.enqueue(b"b", Lane.BULK)
        message = queue.pop()
        assert message is not None
        runs[message] += 1
        assert runs[b"i"] <= 8 * (runs[b"b"] + 1)


@pytest.mark.bound("clawmatrix_core.wire.lanes.LANE")
@pytest.mark.bound("clawmatrix_core.wire.lanes.BULK_LANE")
def test_the_lanes_of_a_link_are_bounded() -> None:
    queue = LaneQueue()
    for lane in Lane:
        while queue.enqueue(bytes(1000), lane):
            pass
    assert queue.waiting_bytes <= sum(LANE_BYTES.values())
