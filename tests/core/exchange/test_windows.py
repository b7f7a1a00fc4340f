"""The sending and the receiving half of a direction, over a path that does what it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.exchange.windows import FRAME_COST, WINDOW, Inbox, Outbox, Outgoing
from clawmatrix_core.wire.codec import CHUNK

if TYPE_CHECKING:
    from random import Random


def push(outbox: Outbox, *payloads: bytes, fin: bool = False) -> None:
    """Push data frames; the last one closes where ``fin`` says so."""
    for number, payload in enumerate(payloads, 1):
        outbox.push("data", b"b", payload, fin=fin and number == len(payloads))


def sent(outbox: Outbox) -> list[bytes]:
    """Put everything that is due on the wire; return it."""
    payloads = []
    while (item := outbox.due()) is not None:
        payloads.append(item.payload)
        outbox.advance()
    return payloads


def reason_of(inbox: Inbox[bytes], seq: int, size: int, *, fin: bool = False) -> str:
    """Return why a frame is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        inbox.receive(seq, b"", size, fin=fin)
    return caught.value.reason


# --- the sending half


def test_frames_are_numbered_and_each_goes_out_once() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b")
    assert (outbox.next_seq, outbox.cursor, outbox.acked) == (2, 0, 0)
    assert sent(outbox) == [b"a", b"b"]
    assert outbox.due() is None
    assert outbox.unacked == 2


def test_what_is_acknowledged_is_dropped_and_the_rest_can_be_sent_again() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b", b"c")
    sent(outbox)
    outbox.credit(1, 0)
    assert outbox.unacked == 2
    outbox.rewind()
    assert sent(outbox) == [b"b", b"c"]


def test_a_frame_can_be_made_due_again_but_not_one_that_arrived() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b", b"c")
    sent(outbox)
    outbox.credit(1, 0)
    outbox.retreat(2)
    assert sent(outbox) == [b"c"]
    outbox.retreat(0)
    assert sent(outbox) == [b"b", b"c"]
    outbox.retreat(7)
    assert outbox.due() is None


def test_an_acknowledgement_ahead_of_the_cursor_moves_it() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b")
    sent(outbox)
    outbox.rewind()
    outbox.credit(2, 0)
    assert outbox.due() is None
    assert outbox.cursor == 2


def test_a_direction_is_settled_when_its_last_frame_arrived() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b", fin=True)
    assert (outbox.closed, outbox.settled) == (True, False)
    outbox.credit(2, 0)
    assert outbox.settled
    assert repr(outbox) == f"<Outbox closed acked=2 cursor=2 next=2 used=130/{WINDOW}>"


def test_old_acknowledgements_and_limits_change_nothing() -> None:
    outbox = Outbox(1000)
    push(outbox, b"a", b"b")
    outbox.credit(2, 5000)
    outbox.credit(1, 2000)
    outbox.credit(0, 0)
    assert (outbox.acked, outbox.limit, outbox.unacked) == (2, 5000, 0)


def test_an_acknowledgement_of_what_was_never_sent_is_refused_whole() -> None:
    outbox = Outbox(1000)
    push(outbox, b"a")
    with pytest.raises(RemoteProtocolError) as caught:
        outbox.credit(2, 5000)
    assert caught.value.reason == "ack"
    assert (outbox.acked, outbox.limit) == (0, 1000)


def test_room_counts_each_frames_own_cost() -> None:
    outbox = Outbox(1000)
    push(outbox, bytes(500))
    assert outbox.room() == 1000 - 500 - 2 * FRAME_COST
    outbox.credit(0, 2000)
    assert outbox.room() == 2000 - 500 - 2 * FRAME_COST


def test_an_abandoned_direction_is_settled_and_takes_one_last_frame() -> None:
    outbox = Outbox()
    push(outbox, b"a", b"b")
    sent(outbox)
    outbox.abandon()
    outbox.credit(1, 0)
    assert (outbox.acked, outbox.settled) == (2, True)
    outbox.push("cancel", b"j", b"", fin=True)
    item = outbox.due()
    assert isinstance(item, Outgoing)
    assert (item.seq, item.type, item.fin, outbox.acked) == (2, "cancel", True, 2)
    outbox.credit(3, 0)
    assert outbox.settled


# --- the receiving half


def test_reordered_frames_come_out_in_order() -> None:
    inbox: Inbox[bytes] = Inbox()
    assert inbox.receive(2, b"c", 1, fin=True) == []
    assert inbox.receive(1, b"b", 1, fin=False) == []
    cost = 1 + FRAME_COST
    assert inbox.receive(0, b"a", 1, fin=False) == [(b"a", cost), (b"b", cost), (b"c", cost)]
    assert inbox.ended
    assert inbox.expected == 3
    assert repr(inbox) == "<Inbox ended expected=3 held=0 taken=0>"


def test_repeats_give_nothing() -> None:
    inbox: Inbox[bytes] = Inbox()
    inbox.receive(0, b"a", 1, fin=False)
    inbox.receive(2, b"c", 1, fin=False)
    assert inbox.receive(0, b"a", 1, fin=False) == []
    assert inbox.receive(2, b"c", 1, fin=False) == []
    assert inbox.used == 2 * (1 + FRAME_COST)
    assert repr(inbox) == "<Inbox open expected=1 held=1 taken=0>"


def test_nothing_comes_after_the_end() -> None:
    inbox: Inbox[bytes] = Inbox()
    inbox.receive(0, b"a", 1, fin=True)
    assert inbox.receive(1, b"b", 1, fin=False) == []


def test_a_frame_behind_the_last_one_is_refused() -> None:
    inbox: Inbox[bytes] = Inbox()
    inbox.receive(3, b"", 0, fin=True)
    assert reason_of(inbox, 4, 0) == "fin"


def test_there_is_one_last_frame_only() -> None:
    inbox: Inbox[bytes] = Inbox()
    inbox.receive(3, b"", 0, fin=True)
    assert reason_of(inbox, 2, 0, fin=True) == "fin"
    late: Inbox[bytes] = Inbox()
    late.receive(5, b"", 0, fin=False)
    assert reason_of(late, 4, 0, fin=True) == "fin"


def test_last_frames_cannot_fill_memory() -> None:
    inbox: Inbox[bytes] = Inbox()
    inbox.receive(1, b"", CHUNK, fin=True)
    for seq in (2, 3, 4):
        assert reason_of(inbox, seq, CHUNK, fin=True) == "fin"
    assert inbox.used == CHUNK + FRAME_COST


def test_a_frame_larger_than_a_chunk_is_refused() -> None:
    inbox: Inbox[bytes] = Inbox()
    assert reason_of(inbox, 0, CHUNK + 1) == "too_large"
    assert reason_of(inbox, 0, CHUNK + 1, fin=True) == "too_large"
    inbox.receive(0, b"", CHUNK, fin=False)


def test_a_sender_that_ignores_the_limit_is_refused() -> None:
    inbox: Inbox[bytes] = Inbox(1000)
    inbox.receive(0, b"", 1000 - FRAME_COST, fin=False)
    assert reason_of(inbox, 1, 0) == "window"
    assert inbox.expected == 1


def test_the_last_frame_may_pass_the_limit_once() -> None:
    inbox: Inbox[bytes] = Inbox(1000)
    inbox.receive(0, b"", 1000 - FRAME_COST, fin=False)
    assert len(inbox.receive(1, b"error", 500, fin=True)) == 1


def test_credit_is_due_when_a_quarter_of_the_window_was_taken() -> None:
    inbox: Inbox[bytes] = Inbox(1000)
    assert not inbox.take(249)
    assert inbox.take(1)
    assert inbox.grant() == 1250
    assert not inbox.take(249)


# --- both, over a path that loses, repeats and reorders


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=40),
    st.integers(min_value=500, max_value=3000),
    st.randoms(use_true_random=False),
)
def test_everything_arrives_in_order_once_within_the_window(
    payloads: list[bytes], window: int, random: Random
) -> None:
    path = _Path(window, random)
    path.run(payloads)
    assert path.read == payloads
    assert path.outbox.settled
    assert path.inbox.ended
    assert path.outbox.unacked == 0


class _Path:
    """A sender and a receiver, and between them a path that delivers any frame at any time."""

    def __init__(self, window: int, random: Random) -> None:
        self.outbox = Outbox(window)
        self.inbox: Inbox[bytes] = Inbox(window)
        self.window = window
        self.random = random
        self.frames: list[Outgoing] = []
        self.credits: list[tuple[int, int]] = []
        self.unread: list[tuple[bytes, int]] = []
        self.read: list[bytes] = []

    def run(self, payloads: list[bytes]) -> None:
        waiting = list(payloads)
        for step in range(100_000):
            if self.outbox.settled and not self.unread:
                return
            if waiting and self.outbox.room() >= len(waiting[0]):
                self.outbox.push("data", b"b", waiting.pop(0), fin=not waiting)
            self._send(again=step % 7 == 6)
            self._travel()
            self._read()
            self._check()
        raise AssertionError("it does not end")

    def _send(self, *, again: bool) -> None:
        if again:
            self.outbox.rewind()
        while (item := self.outbox.due()) is not None:
            self.outbox.advance()
            if self._chance(0.7):
                self.frames.append(item)

    def _travel(self) -> None:
        for _ in range(3):
            if self.frames:
                frame = self.random.choice(self.frames)
                if self._chance(0.7):
                    self.frames.remove(frame)  # else it comes again
                self.unread += self.inbox.receive(
                    frame.seq, frame.payload, len(frame.payload), fin=frame.fin
                )
                self.credits.append((self.inbox.expected, self.inbox.grant()))
            if self.credits:
                self.outbox.credit(*self.random.choice(self.credits))

    def _read(self) -> None:
        while self.unread and self._chance(0.5):
            payload, cost = self.unread.pop(0)
            self.read.append(payload)
            if self.inbox.take(cost):
                self.credits.append((self.inbox.expected, self.inbox.grant()))

    def _check(self) -> None:
        kept = sum(len(item.payload) + FRAME_COST for item in self.outbox._kept)
        assert kept <= self.window
        assert self.outbox.used <= self.outbox.limit
        assert self.inbox.used - self.inbox.taken <= self.window

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)
