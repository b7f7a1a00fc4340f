"""What an end makes of silence, of frames and of missing ways."""

from __future__ import annotations

import pytest

from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.exchange.liveness import Liveness

LIMITS = ExchangeLimits(grace=5.0, probe_unacked=1.0, probe_idle=10.0, lost=25.0)


def begun(now: float = 100.0) -> Liveness:
    return Liveness(LIMITS, now)


@pytest.mark.parametrize(("waiting", "after"), [(True, 1.0), (False, 10.0)])
def test_it_is_time_to_ask_sooner_where_something_is_waited_for(
    waiting: bool, after: float
) -> None:
    liveness = begun()
    assert not liveness.must_ask(100 + after, waiting=waiting)
    assert liveness.must_ask(100.1 + after, waiting=waiting)
    liveness.note_asked(100.1 + after)
    assert not liveness.must_ask(100.1 + after, waiting=waiting)


def test_a_question_without_an_answer_is_asked_again_soon() -> None:
    liveness = begun()
    liveness.note_asked(120.0)
    assert liveness.must_ask(121.1, waiting=False)
    liveness.note_heard(121.1, settled=True)
    assert not liveness.must_ask(131.1, waiting=False)
    assert liveness.must_ask(131.2, waiting=False)


def test_frames_that_acknowledge_nothing_do_not_put_off_the_question() -> None:
    liveness = begun()
    for second in range(1, 4):
        liveness.note_heard(100.0 + second, settled=False)
    assert liveness.must_ask(103.0, waiting=True)
    liveness.note_heard(103.0, settled=True)
    assert not liveness.must_ask(104.0, waiting=True)


def test_the_other_end_is_lost_after_a_long_silence() -> None:
    liveness = begun()
    assert not liveness.is_lost(125.0)
    assert liveness.is_lost(125.1)
    liveness.note_heard(125.1, settled=False)
    assert not liveness.is_lost(150.1)


def test_an_exchange_is_stranded_once_no_frame_got_away_for_the_grace_time() -> None:
    liveness = begun()
    liveness.note_unroutable(101.0)
    liveness.note_unroutable(105.0)
    assert not liveness.is_stranded(106.0)
    assert liveness.is_stranded(106.1)
    liveness.note_sent()
    assert not liveness.is_stranded(200.0), "what was tried last got away"
    liveness.note_unroutable(200.0)
    assert liveness.is_stranded(200.0), "nothing was heard in between"


def test_a_frame_of_the_other_end_ends_the_trouble() -> None:
    liveness = begun()
    liveness.note_unroutable(101.0)
    liveness.note_heard(105.0, settled=False)
    liveness.note_unroutable(106.0)
    assert not liveness.is_stranded(111.0)
    assert liveness.is_stranded(111.1)


def test_the_deadline_is_told_in_milliseconds_and_rounded_up() -> None:
    liveness = begun()
    assert liveness.milliseconds_left(100.0) == 0
    assert not liveness.is_late(1e9)
    liveness.deadline = 101.0
    assert liveness.milliseconds_left(100.0) == 1000
    assert liveness.milliseconds_left(100.9995) == 1
    assert liveness.milliseconds_left(102.0) == 1, "0 would say that there is none"
    assert not liveness.is_late(100.9)
    assert liveness.is_late(101.0)


def test_repr_tells_the_state() -> None:
    liveness = begun()
    assert repr(liveness) == "<Liveness well heard=100 asked=100>"
    liveness.doubted = True
    assert "doubted" in repr(liveness)
    liveness.note_unroutable(101.0)
    assert "in trouble" in repr(liveness)
