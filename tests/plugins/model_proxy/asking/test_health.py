"""Breakers, and the order in which targets are asked."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.breaker import Breaker, BreakerLimits, BreakerState
from clawmatrix_model_proxy.asking.health import Health, Target

A, B = (Target(NodeId(name), "m") for name in "ab")
CLOSED, OPEN, HALF_OPEN = BreakerState


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def fail(breaker: Breaker, now: float, times: int = 3) -> None:
    for _ in range(times):
        breaker.begin(now)
        breaker.failed(now, "503")


# --- one breaker


def test_it_opens_after_a_few_failures_in_a_row() -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 2)
    assert breaker.state(0.0) is CLOSED
    fail(breaker, 0.0, 1)
    assert breaker.state(0.0) is OPEN
    assert breaker.opens_in(1.0) == 4.0
    assert breaker.why == "503"


def test_old_failures_weigh_little() -> None:
    breaker = Breaker()
    for now in (0.0, 100.0, 200.0, 300.0, 400.0):
        fail(breaker, now, 1)
        assert breaker.state(now) is CLOSED


def test_one_probe_is_let_through_and_closes_it() -> None:
    breaker = Breaker()
    fail(breaker, 0.0)
    assert breaker.state(5.0) is HALF_OPEN
    breaker.begin(5.0)
    assert breaker.state(5.0) is OPEN
    breaker.succeeded()
    assert breaker.state(5.0) is CLOSED
    assert breaker.why == ""


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_limit() -> None:
    breaker = Breaker()
    fail(breaker, 0.0)
    now, times = 0.0, []
    for _ in range(4):
        now += breaker.opens_in(now)
        fail(breaker, now, 1)
        times.append(breaker.opens_in(now))
    assert times == [10.0, 20.0, 20.0, 20.0]


def test_a_probe_that_was_given_up_leaves_room_for_another() -> None:
    breaker = Breaker()
    fail(breaker, 0.0)
    breaker.begin(5.0)
    breaker.abandoned()
    assert breaker.state(5.0) is HALF_OPEN


def test_who_asks_to_be_left_alone_is() -> None:
    breaker = Breaker(BreakerLimits(longest=20.0))
    breaker.failed(0.0, "429", wait=3.0)
    assert breaker.state(2.9) is OPEN
    assert breaker.state(3.0) is HALF_OPEN
    breaker.failed(3.0, "429", wait=3600.0)
    assert breaker.opens_in(3.0) == 20.0


# --- all of them


def test_targets_are_asked_in_their_order_until_one_is_ill(health: Health, clock: Clock) -> None:
    assert health.order([A, B]) == [A, B]
    for _ in range(3):
        health.begin(A)
        health.failed(A, "503", counts=True)
    assert health.order([A, B]) == [B, A]
    clock.now += 5.0
    assert health.order([A, B]) == [A, B]  # its turn to be probed
    health.begin(A)
    assert health.order([A, B]) == [B, A]  # but by one call only
    health.succeeded(A)
    assert health.order([A, B]) == [A, B]


def test_of_two_that_are_ill_the_one_that_waits_less_comes_first(
    health: Health, clock: Clock
) -> None:
    for target in (A, B):
        for _ in range(3):
            health.begin(target)
            health.failed(target, "503", counts=True)
        clock.now += 1.0
    assert health.order([B, A]) == [A, B]


def test_what_the_request_is_to_blame_for_does_not_count(health: Health) -> None:
    for _ in range(10):
        health.begin(A)
        health.failed(A, "400", counts=False)
    assert health.order([A, B]) == [A, B]
    assert health.of(A).errors == 10


def test_the_least_busy_or_the_quickest_comes_first_where_that_is_wanted(health: Health) -> None:
    health.begin(A)
    health.first_token(A, 100.0)
    health.first_token(B, 300.0)
    assert health.order([A, B], "least-outstanding") == [B, A]
    assert health.order([B, A], "first-token") == [A, B]
    health.abandoned(A)
    assert health.order([A, B], "least-outstanding") == [A, B]


def test_first_token_times_are_smoothed(health: Health) -> None:
    health.first_token(A, 100.0)
    health.first_token(A, 200.0)
    assert health.of(A).first_token_ms == pytest.approx(130.0)


def test_what_is_shown_of_a_target(health: Health) -> None:
    assert health.describe(A)["breaker"] == "closed"
    for _ in range(3):
        health.begin(A)
        health.failed(A, "503 server_error", counts=True)
    assert health.describe(A) == {
        "breaker": "open",
        "opensInMs": 5000,
        "why": "503 server_error",
        "outstanding": 0,
        "calls": 3,
        "errors": 3,
        "firstTokenMs": None,
        "lacks": [],
    }


def test_targets_that_nobody_asks_are_forgotten(health: Health, clock: Clock) -> None:
    health.begin(A)
    clock.now += 2 * 3600
    health.of(B)
    assert health.of(A).outstanding == 1  # under way: kept
    health.succeeded(A)
    clock.now += 2 * 3600
    health.of(Target(NodeId("c"), "m"))
    assert health.of(A).calls == 0


def test_other_limits_hold_for_targets_that_are_known_already(health: Health, clock: Clock) -> None:
    fail(health.of(A).breaker, clock.now)
    health.use(BreakerLimits(first=60.0, longest=60.0))
    assert health.of(A).breaker.opens_in(clock.now) == 5.0
    clock.now = 5.0
    health.of(A).breaker.succeeded()
    fail(health.of(A).breaker, clock.now)
    fail(health.of(B).breaker, clock.now)
    assert health.of(A).breaker.opens_in(clock.now) == 60.0
    assert health.of(B).breaker.opens_in(clock.now) == 60.0


def test_those_that_can_be_told_more_are_asked_first_but_no_open_breaker(
    health: Health, clock: Clock
) -> None:
    assert health.order([A, B], losses={A: 1}) == [B, A]
    assert health.order([A, B], losses={A: 1, B: 100}) == [A, B]
    assert health.order([A, B], "least-outstanding", {A: 1}) == [B, A]
    for _ in range(3):
        health.begin(B)
        health.failed(B, "503", counts=True)
    assert health.order([A, B], losses={A: 1}) == [A, B]


# --- side calls


def test_side_calls_have_an_account_of_their_own(health: Health) -> None:
    side = health.beside("embeddings")
    assert side is health.beside("embeddings")
    assert side is not health.beside("count_tokens")
    for _ in range(3):
        side.begin(A)
        side.failed(A, "500", counts=True)
    assert side.order([A, B]) == [B, A]
    assert health.order([A, B]) == [A, B]
    assert health.describe(A)["breaker"] == "closed"
    assert [(target, record.calls, record.errors) for target, record in health.all()] == [(A, 0, 0)]


def test_side_calls_go_last_to_a_target_that_fails_at_answers(health: Health) -> None:
    side = health.beside("embeddings")
    for _ in range(3):
        health.begin(A)
        health.failed(A, "500", counts=True)
    assert side.order([A, B]) == [B, A]
    assert side.all() == []


def test_side_calls_share_limits_and_what_is_lacking(health: Health) -> None:
    side = health.beside("embeddings")
    assert side.lacks is health.lacks
    side.begin(A)
    side.failed(A, "500", counts=True)
    assert side.describe(A)["breaker"] == "closed"
    health.use(BreakerLimits(failures=0.5))
    side.begin(B)
    side.failed(B, "500", counts=True)
    assert side.describe(B)["breaker"] == "open"
