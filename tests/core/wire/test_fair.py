"""Sharing a lane: nobody is shut out, and no one's turn depends on how much others send."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.wire.fair import OVERHEAD, OWN, FairQueue, Flow

LIMIT = 64_000
FLOWS = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))


def drain(queue: FairQueue) -> list[bytes]:
    """Take everything out."""
    taken = []
    while queue:
        taken.append(queue.take())
    return taken


def flood(queue: FairQueue, flow: Flow, size: int = 936) -> int:
    """Offer messages until one is refused; return how many were taken."""
    count = 0
    while queue.enqueue(flow[0].encode().ljust(size, b"."), flow):
        count += 1
    return count


def test_one_flow_alone_has_the_whole_lane() -> None:
    queue = FairQueue(LIMIT)
    assert flood(queue, ("a", "x")) == 64
    assert (len(queue), queue.bytes) == (64, LIMIT)


def test_who_comes_late_to_a_full_lane_gets_a_part_and_has_turns_at_once() -> None:
    queue = FairQueue(LIMIT)
    flood(queue, ("a", "x"))
    assert flood(queue, ("b", "y")) == 32
    assert flood(queue, ("c", "z")) == 21
    assert not queue.enqueue(b"", ("a", "x")), "one that has more than its part gets no more"
    turns = [message[:1] for message in drain(queue)]
    assert turns.index(b"b") <= 66, "one quantum of another's"
    assert turns.index(b"c") <= 66 + 32


def test_turns_are_by_bytes() -> None:
    queue = FairQueue(10**9)
    for _ in range(500):
        queue.enqueue(b"a" * 60_000, ("a", "x"))
        for _ in range(10):
            queue.enqueue(b"b" * 6_000, ("b", "y"))
    sent: Counter[bytes] = Counter()
    for _ in range(1000):
        message = queue.take()
        sent[message[:1]] += len(message) + OVERHEAD
    assert 0.9 < sent[b"a"] / sent[b"b"] < 1.1


def test_made_up_origins_take_from_the_neighbour_that_brings_them() -> None:
    queue = FairQueue(LIMIT)
    for number in range(10_000):
        queue.enqueue(bytes(936), ("liar", f"origin{number}"))
    assert queue.bytes <= 2 * LIMIT
    assert flood(queue, ("honest", "x")) == 32
    for number in range(10_000):
        queue.enqueue(bytes(936), ("liar", f"another{number}"))
    turns = [message[:1] for message in drain(queue)]
    at = [index for index, first in enumerate(turns) if first == b"h"]
    assert at[-1] < 32 * 2 + 2 * 66, "the honest one has every other turn, by bytes"


def test_this_nodes_own_share_decides_whether_it_has_space() -> None:
    queue = FairQueue(LIMIT)
    flood(queue, ("a", "x"))
    assert queue.has_space()
    flood(queue, OWN)
    assert not queue.has_space()
    drain(queue)
    assert queue.has_space()


@given(st.lists(st.tuples(FLOWS, st.integers(0, 3000)), max_size=200))
def test_each_flow_keeps_its_order_and_nothing_is_lost(
    offers: list[tuple[Flow, int]],
) -> None:
    queue = FairQueue(LIMIT)
    taken: dict[bytes, list[bytes]] = {}
    for number, (flow, size) in enumerate(offers):
        key = "".join(flow).encode()
        message = key + b"%06d" % number + bytes(size)
        if queue.enqueue(message, flow):
            taken.setdefault(key, []).append(message)
    assert len(queue) == sum(map(len, taken.values()))
    out = drain(queue)
    for key, messages in taken.items():
        assert [message for message in out if message[:2] == key] == messages
    assert queue.bytes == len(queue) == 0
