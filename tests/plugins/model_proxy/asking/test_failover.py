"""The failover table row by row, and the candidates that are asked by it."""

from __future__ import annotations

import json
import random

import pytest

from clawmatrix_core.base.errors import DeadlineExceeded, ExchangeFailure, PeerLost, Undeliverable
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.candidates import PATIENCE, Candidates
from clawmatrix_model_proxy.asking.failover import TABLE, Action, rule_for
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.faults import (
    AttemptFault,
    FaultKind,
    fault_of_error,
    fault_of_event,
    fault_of_status,
    retry_after,
)

A, B, C = (Target(NodeId(name), "m") for name in "abc")


def status(code: int, word: str | None = None, wait: float | None = None) -> AttemptFault:
    return AttemptFault("status", code, word, "no", wait)


def candidates(*targets: Target, deadline: float = 600.0) -> Candidates:
    return Candidates(targets, deadline=deadline, random_source=random.Random(1))


def follow(run: Candidates, *faults: AttemptFault) -> list[Target]:
    """Return which candidates are asked while these faults happen."""
    asked = []
    for fault in faults:
        step = run.step()
        assert step is not None
        asked.append(step.target)
        run.failed(fault, 0.0)
    return asked


# --- the table


@pytest.mark.parametrize(
    ("fault", "action", "retries", "counts"),
    [
        (status(400), Action.END, 0, False),
        (status(422), Action.END, 0, False),
        (status(400, "context_length_exceeded"), Action.NEXT, 0, False),
        (status(400, "content_policy_violation"), Action.END, 0, False),
        (status(413), Action.NEXT, 0, False),
        (status(401), Action.NEXT, 0, True),
        (status(402), Action.NEXT, 0, True),
        (status(403), Action.NEXT, 0, True),
        (status(404), Action.NEXT, 0, True),
        (status(408), Action.RETRY, 1, True),
        (status(429), Action.RETRY, 2, True),
        (status(500), Action.RETRY, 1, True),
        (status(503), Action.RETRY, 1, True),
        (status(529), Action.RETRY, 1, True),
        (status(418), Action.NEXT, 0, True),
        (status(599), Action.NEXT, 0, True),
        (AttemptFault("connect"), Action.RETRY, 1, True),
        (AttemptFault("broke"), Action.RETRY, 1, True),
        (AttemptFault("silent"), Action.NEXT, 0, True),
        (AttemptFault("cut"), Action.NEXT, 0, True),
        (AttemptFault("refused"), Action.NEXT, 0, False),
        (AttemptFault("node"), Action.NEXT, 0, True),
    ],
    ids=str,
)
def test_each_fault_has_its_row(
    fault: AttemptFault, action: Action, retries: int, counts: bool
) -> None:
    rule = rule_for(fault)
    assert (rule.action, rule.retries, rule.counts) == (action, retries, counts)


def test_there_is_a_row_for_every_kind_and_status() -> None:
    kinds: tuple[FaultKind, ...] = ("connect", "broke", "silent", "refused", "node", "cut")
    for kind in kinds:
        assert rule_for(AttemptFault(kind)) in TABLE
    for number in range(300, 600):
        assert rule_for(status(number)) in TABLE


# --- faults


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after": "2", "retry-after-ms": "1900"}, 1.9),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_spelling(
    headers: dict[str, str], seconds: float | None
) -> None:
    found = retry_after(headers, wall=60.0)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"error": {"code": "c", "type": "t", "message": "m"}}', "c", "m"),
        (b'{"error": {"code": null, "type": "t"}}', "t", ""),
        (
            b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}',
            "overloaded_error",
            "m",
        ),
        (b'{"error": "words"}', None, "words"),
        (b'{"error": {"code": 7}}', None, ""),
        (b"[1]", None, ""),
        (b"<html>", None, ""),
        (b"\xff", None, ""),
    ],
)
def test_an_error_body_is_read_as_far_as_it_can_be(
    body: bytes, code: str | None, message: str
) -> None:
    fault = fault_of_status(503, body, {}, 0.0)
    assert (fault.kind, fault.status, fault.code, fault.message) == ("status", 503, code, message)


@pytest.mark.parametrize(
    ("error", "kind", "number"),
    [
        ({"type": "overloaded_error"}, "status", 529),
        ({"code": "rate_limit_exceeded", "type": "x"}, "status", 429),
        ({"code": "odd", "type": "server_error"}, "status", 500),
        ({"type": "something_new"}, "broke", None),
        ("words", "broke", None),
        (None, "broke", None),
    ],
)
def test_an_error_in_a_stream_is_as_good_as_a_status(
    error: object, kind: str, number: int | None
) -> None:
    fault = fault_of_event(error)
    assert (fault.kind, fault.status) == (kind, number)


@pytest.mark.parametrize(
    ("message", "too_long"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", True),
        ("This model's maximum context length is 4096 tokens. However, you asked for more", True),
        ("the request exceeds the available context size, try increasing it", True),
        ("input length and `max_tokens` exceed context limit: 9 + 9 > 10", True),
        ("messages: at least one message is required", False),
        ("the context of this call is not known", False),
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_its_words_where_it_has_no_code(
    message: str, too_long: bool
) -> None:
    body = json.dumps({"type": "error", "error": {"type": "x", "message": message}}).encode()
    fault = fault_of_status(400, body, {}, 0.0)
    assert (rule_for(fault).action is Action.NEXT) == too_long


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ExchangeFailure("upstream_unreachable", ""), "connect"),
        (ExchangeFailure("upstream_broke", ""), "broke"),
        (ExchangeFailure("upstream_timeout", ""), "silent"),
        (ExchangeFailure("bad_request", ""), "refused"),
        (ExchangeFailure("busy", ""), "node"),
        (ExchangeFailure("model_not_found", ""), "node"),
        (DeadlineExceeded(""), "silent"),
        (Undeliverable(""), "node"),
        (PeerLost(""), "node"),
    ],
    ids=repr,
)
def test_what_a_serving_node_says_is_a_fault(error: ExchangeFailure, kind: str) -> None:
    assert fault_of_error(error).kind == kind


@pytest.mark.parametrize(
    ("header", "code", "asked"),
    [
        (None, 503, [A, A, B]),
        ("false", 503, [A, B, C]),
        ("false", 429, [A, B, C]),
        ("false", 400, [A]),
        ("true", 404, [A, A, B]),
        ("true", 400, [A, A]),
        ("true", 429, [A, A, A]),
        ("maybe", 503, [A, A, B]),
        ("maybe", 404, [A, B, C]),
    ],
)
def test_the_upstream_says_whether_to_ask_it_again(
    header: str | None, code: int, asked: list[Target]
) -> None:
    headers = {} if header is None else {"x-should-retry": header}
    fault = fault_of_status(code, b"{}", headers, 0.0)
    run = candidates(A, B, C)
    found: list[Target] = []
    while (step := run.step()) is not None and len(found) < 3:
        found.append(step.target)
        run.failed(fault, 0.0)
    assert found == asked


def test_asking_again_mends_no_prompt_that_is_too_long() -> None:
    body = b'{"error": {"code": "context_length_exceeded"}}'
    fault = fault_of_status(400, body, {"x-should-retry": "true"}, 0.0)
    assert follow(candidates(A, B), fault, fault) == [A, B]


# --- which candidate is next


def test_what_is_wrong_with_the_request_ends_it_at_once() -> None:
    run = candidates(A, B)
    assert follow(run, status(400)) == [A]
    assert run.step() is None


def test_a_prompt_that_is_too_long_is_tried_once_at_each() -> None:
    run = candidates(A, B)
    assert follow(run, *[status(400, "context_length_exceeded")] * 2) == [A, B]
    assert run.step() is None


def test_a_server_error_is_tried_once_more_and_then_elsewhere() -> None:
    run = candidates(A, B)
    assert follow(run, status(500), status(500), status(500)) == [A, A, B]
    step = run.step()
    assert step is not None
    assert (step.target, step.last) == (B, True)


def test_retries_wait_and_moving_on_does_not() -> None:
    run = candidates(A, B)
    follow(run, status(500))
    step = run.step()
    assert step is not None
    assert 0.25 <= step.wait <= 0.5
    follow(run, status(500))
    step = run.step()
    assert step is not None
    assert step.wait == 0.0


def test_the_wait_that_was_asked_for_is_kept() -> None:
    run = candidates(A, B)
    follow(run, status(429, wait=2.0))
    step = run.step()
    assert step is not None
    assert (step.target, step.wait) == (A, 2.0)


def test_nobody_waits_long_while_there_is_another() -> None:
    run = candidates(A, B)
    assert follow(run, *[status(429, wait=PATIENCE + 1)] * 2) == [A, B]
    step = run.step()
    assert step is not None
    assert (step.target, step.wait) == (B, PATIENCE + 1)  # now there is none


def test_no_wait_goes_beyond_the_deadline() -> None:
    run = candidates(A, deadline=10.0)
    follow(run, status(429, wait=11.0))
    assert run.step() is None


def test_a_silent_candidate_is_not_asked_again() -> None:
    run = candidates(A, B, C)
    assert follow(run, AttemptFault("silent"), AttemptFault("silent")) == [A, B]


def test_pauses_grow_for_as_many_tries_as_there_are() -> None:
    run = candidates(A)
    waits = []
    while (step := run.step()) is not None:
        waits.append(step.wait)
        run.failed(status(429), 0.0)
    assert len(waits) == 3
    assert waits[0] == 0.0
    assert waits[1] < waits[2]


def test_the_failure_to_report_is_the_first_thing_an_upstream_said() -> None:
    run = candidates(A, B, C)
    follow(run, AttemptFault("node"), status(413), status(401))
    assert run.final_failure().fault.status == 413
    run = candidates(A, B)
    follow(run, AttemptFault("silent"), AttemptFault("node"))
    assert run.final_failure().fault.kind == "silent"


def test_candidates_that_were_ended_have_no_next_step() -> None:
    run = candidates(A, B)
    run.end()
    assert run.step() is None
    assert candidates().step() is None


def test_nobody_is_asked_and_blamed_when_the_time_is_over() -> None:
    run = candidates(A, B, deadline=10.0)
    run.failed(AttemptFault("silent"), 10.0)
    assert run.step() is None
    assert [tried.target for tried in run.tried] == [A]


@pytest.mark.parametrize("code", [400, 429, 502])
def test_a_status_may_be_the_code_of_an_error_in_a_stream(code: int) -> None:
    assert fault_of_event({"message": "m", "code": code}).status == code
    assert fault_of_event({"message": "m", "code": code + 1000}).status is None
