"""Errors as the OpenAI API writes them."""

from __future__ import annotations

import json

import pytest

from clawmatrix_core.base.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    Undeliverable,
)
from clawmatrix_model_proxy.errors import ApiError, from_exchange, wrap_upstream_error
from clawmatrix_model_proxy.streams.failures import Failure
from clawmatrix_model_proxy.streams.formats import FORMATS


def test_the_body_has_all_four_fields() -> None:
    body = json.loads(ApiError(404, "no", code="model_not_found", param="model").body())
    assert body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_the_event_is_one_event() -> None:
    event = FORMATS["chat"].failure(Failure(ApiError(502, "two\n\nlines").body()))
    assert event.startswith(b"data: {")
    assert event.count(b"\n\n") == 1
    assert event.endswith(b"\n\n")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Undeliverable("x"), 502, "node_unreachable"),
        (PeerLost("x"), 502, "node_lost"),
        (DeadlineExceeded("x"), 504, "deadline_exceeded"),
        (ExchangeCancelled("x"), 502, "node_failed"),
        (ExchangeFailure("upstream_unreachable", "x"), 502, "upstream_unreachable"),
        (ExchangeFailure("upstream_timeout", "x"), 504, "upstream_timeout"),
        (ExchangeFailure("upstream_broke", "x"), 502, "upstream_broke"),
        (ExchangeFailure("model_not_found", "x"), 404, "model_not_found"),
        (ExchangeFailure("too_large", "x"), 413, "too_large"),
        (ExchangeFailure("busy", "x"), 503, "busy"),
        (ExchangeFailure("internal", "x"), 502, "internal"),
    ],
)
def test_an_exchange_that_failed_has_its_status(
    error: ExchangeError, status: int, code: str
) -> None:
    told = from_exchange(error, "office")
    assert (told.status, told.code) == (status, code)
    assert str(told) == "office: x"
    assert told.type == ("upstream_error" if status >= 500 else "invalid_request_error")


def test_an_upstreams_json_error_stays_as_it_is() -> None:
    body = b'{ "error" : {"message":"too long", "code":"context_length_exceeded"}}'
    assert wrap_upstream_error(400, body) is body


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"<html>no</html>", b"\xff\x00"])
def test_what_is_no_json_object_is_put_into_the_shape(body: bytes) -> None:
    error = json.loads(wrap_upstream_error(503, body))["error"]
    assert error["type"] == "upstream_error"
    assert error["message"].startswith("the upstream answered 503")
    assert error["message"].isprintable()


def test_an_upstreams_words_are_repeated_but_not_without_end() -> None:
    error = json.loads(wrap_upstream_error(500, b"a  b\n" + b"x" * 10_000))["error"]
    assert error["message"].startswith("the upstream answered 500: a b xxx")
    assert len(error["message"]) < 2100
