"""What the sending side of an end puts on its way, and what it does where that is blocked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.base.local import Local
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.exchange.envelope import Envelope
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.exchange.liveness import Liveness
from clawmatrix_core.exchange.receiving import Receiving
from clawmatrix_core.exchange.sending import Sending
from clawmatrix_core.exchange.windows import WINDOW
from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

HOME, OFFICE = NodeId("home"), NodeId("office")


@attrs.define
class Path:
    """A carrier that does what the test says, and notes each frame that got away."""

    outcome: Outcome = Outcome.SENT
    instance: str | None = "office1"
    key: bytes = b"office's key"
    sent: list[tuple[str, int, dict[str, Any]]] = attrs.field(factory=list)
    waiting: list[Callable[[], None]] = attrs.field(factory=list)

    def transmit(
        self, to: NodeId, type_: str, id_: str, kind: bytes, payload: bytes, **fields: Any
    ) -> Outcome:
        if self.outcome is Outcome.SENT:
            self.sent.append((type_, fields["seq"], fields))
        return self.outcome

    def instance_of(self, peer: NodeId) -> str | None:
        return self.instance

    def key_of(self, peer: NodeId) -> bytes | None:
        return None if self.instance is None else self.key

    def when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        self.waiting.append(call)

    def report(self, who: NodeId, reason: str, message: str) -> None:
        raise AssertionError(reason)

    @property
    def frames(self) -> list[tuple[str, int]]:
        return [(type_, seq) for type_, seq, _ in self.sent]


class Side:
    """A sending side, and all that is around it."""

    def __init__(self, *, initiated: bool = True) -> None:
        self.path = Path()
        self.counters: Counter[str] = Counter()
        self.now = 100.0
        local = Local(HOME, "home1", lambda: self.now, lambda: 0.0, lambda: "id", self.counters)
        self.liveness = Liveness(ExchangeLimits(), self.now)
        self.receiving = Receiving(WINDOW, opened_here=initiated)
        envelope = Envelope("id", OFFICE, "ask", initiated, Lane.BULK)
        self.sending = Sending(envelope, self.path, local, self.receiving, self.liveness)

    def push(self, *payloads: bytes) -> None:
        for payload in payloads:
            first = self.sending.outbox.next_seq == 0
            self.sending.outbox.push("ask" if first else "data", b"b", payload)

    def flush(self) -> bool:
        return self.sending.flush(lambda: None)


def test_frames_go_out_in_order_with_the_credit_of_the_other_direction() -> None:
    side = Side()
    side.push(b"a", b"b")
    side.receiving.owes = True
    assert side.flush()
    assert side.path.frames == [("ask", 0), ("data", 1)]
    fields = side.path.sent[0][2]
    assert (fields["re"], fields["ack"], fields["limit"]) == (False, 0, WINDOW)
    assert fields["lane"] is Lane.BULK
    assert not side.receiving.owes
    assert side.sending.opened
    assert side.sending.instance == "office1"


def test_the_deadline_travels_with_the_opening_frame_only() -> None:
    side = Side()
    side.liveness.deadline = 101.5
    side.push(b"a", b"b")
    side.flush()
    assert [fields["deadline"] for _, _, fields in side.path.sent] == [1500, 0]


def test_a_frame_without_a_way_stays_due_and_is_trouble() -> None:
    side = Side()
    side.push(b"a")
    for outcome in (Outcome.NO_ROUTE, Outcome.NO_SESSION):
        side.path.outcome = outcome
        side.flush()
        assert not side.sending.opened
        assert not side.sending.presumed_there
        assert side.liveness.in_trouble
    side.path.outcome = Outcome.SENT
    side.flush()
    assert side.path.frames == [("ask", 0)]
    assert not side.liveness.in_trouble


def test_congestion_is_waited_for_and_is_no_trouble() -> None:
    side = Side()
    side.push(b"a")
    side.path.outcome = Outcome.CONGESTED
    again = side.flush
    side.sending.flush(lambda: None)
    assert len(side.path.waiting) == 1
    assert not side.liveness.in_trouble
    side.path.outcome = Outcome.SENT
    assert again()
    assert side.path.frames == [("ask", 0)]


def test_the_opening_frame_goes_to_one_run_of_the_peer_only() -> None:
    side = Side()
    side.push(b"a")
    side.flush()
    side.sending.outbox.rewind()
    side.path.instance = "office2"
    assert not side.flush()
    assert side.path.frames == [("ask", 0)]


def test_an_opening_frame_that_relays_dropped_may_go_to_another_run() -> None:
    side = Side()
    side.push(b"a")
    side.flush()
    assert side.sending.take_back(0)
    assert not side.sending.presumed_there
    assert side.sending.opened, "the word of a relay is no proof"
    side.path.instance = "office2"
    assert side.flush()
    assert side.sending.instance == "office2"


def test_a_frame_that_was_never_sent_or_has_arrived_is_not_taken_back() -> None:
    side = Side()
    side.push(b"a", b"b")
    side.flush()
    side.sending.outbox.credit(1, WINDOW)
    assert not side.sending.take_back(0)
    assert not side.sending.take_back(3)
    assert side.sending.take_back(1)
    side.flush()
    assert side.path.frames == [("ask", 0), ("data", 1), ("data", 1)]


def test_what_was_lost_is_counted_and_sent_again() -> None:
    side = Side()
    side.push(b"a", b"b", b"c")
    side.flush()
    side.sending.outbox.credit(1, WINDOW)
    side.sending.send_lost_again()
    side.flush()
    assert side.counters["lost"] == 2
    assert side.path.frames[3:] == [("data", 1), ("data", 2)]


def test_a_probe_has_the_number_of_the_frame_that_comes_next() -> None:
    side = Side()
    side.push(b"a", b"b")
    side.flush()
    side.now = 105.0
    side.sending.probe(known=True)
    type_, seq, fields = side.path.sent[-1]
    assert (type_, seq, fields["fin"]) == ("probe", 2, True)
    assert side.liveness.asked == 105.0
    side.path.outcome = Outcome.NO_ROUTE
    side.sending.probe(known=True)
    assert side.liveness.in_trouble


def test_an_answering_side_knows_the_run_that_asked_and_marks_its_frames() -> None:
    side = Side(initiated=False)
    assert side.sending.instance == "office1"
    assert side.sending.presumed_there
    side.sending.outbox.push("data", b"b", b"")
    side.path.instance = "office2"
    assert side.flush(), "an answer is no opening frame"
    assert side.path.sent[0][2]["re"] is True
