"""What nodes say to each other."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.wire import (
    PASSED_LENGTH,
    PASSED_MOST,
    TRACE_HEADERS,
    TRACE_LENGTH,
    Head,
    Opening,
    Sign,
    media_type,
    passed_headers,
    read_head,
    read_opening,
    read_sign,
    trace_headers,
)


def travel(value: object) -> Any:
    """Return the value as it comes out at the other end."""
    return msgspec.json.decode(msgspec.json.encode(value))


def test_an_opening_travels() -> None:
    opening = Opening("chat", "qwen3", stream=True, accept="application/json")
    assert travel(Opening("chat", "m")) == {"format": "chat", "model": "m"}
    assert read_opening(travel(opening)) == opening


def test_a_head_travels_in_camel_case() -> None:
    head = Head(200, "text/event-stream", "qwen3:32b", 12.5, {"retry-after": "1"})
    assert travel(head) == {
        "status": 200,
        "contentType": "text/event-stream",
        "upstreamModel": "qwen3:32b",
        "upstreamMs": 12.5,
        "headers": {"retry-after": "1"},
    }
    assert read_head(travel(head)) == head


def test_fields_of_later_versions_are_ignored() -> None:
    assert read_opening({"format": "chat", "model": "m", "later": 1}).model == "m"
    assert read_head({"status": 200, "later": 1}).status == 200


@pytest.mark.parametrize(
    "payload", [None, b"bytes", [], {}, {"format": "chat"}, {"format": 7, "model": "m"}]
)
def test_an_opening_that_is_none_is_refused_before_anything_began(payload: Any) -> None:
    with pytest.raises(ExchangeFailure) as caught:
        read_opening(payload)
    assert caught.value.code == "bad_request"
    assert not caught.value.may_have_begun


@pytest.mark.parametrize(
    "payload", [None, b"bytes", {}, {"status": "200"}, {"status": 99}, {"status": 600}]
)
def test_a_head_that_is_none_is_a_failure(payload: Any) -> None:
    with pytest.raises(ExchangeFailure) as caught:
        read_head(payload)
    assert caught.value.code == "bad_answer"


def test_only_a_stream_of_events_that_went_well_streams() -> None:
    assert Head(200, "text/event-stream; charset=utf-8").streams
    assert Head(200, "Text/Event-Stream").streams
    assert not Head(500, "text/event-stream").streams
    assert not Head(200, "application/json").streams


def passes(name: str, value: str = "3") -> bool:
    return bool(passed_headers({name: value}))


def test_only_headers_that_clients_act_on_are_passed() -> None:
    assert passes("retry-after")
    assert passes("x-ratelimit-remaining-requests")
    for name in ("set-cookie", "openai-organization", "server", "content-length"):
        assert not passes(name)


@pytest.mark.parametrize(
    "name",
    [
        "x-ratelimit-a\r\nset-cookie: b",
        "x-ratelimit-a b",
        "x-ratelimit-a:",
        "x-ratelimit-a\n",
        "x-ratelimit-",
        "x-ratelimit-\u0661",
        "x-ratelimit-\xe9",
        f"x-ratelimit-{'a' * 65}",
        "X-Ratelimit-A",
    ],
)
def test_a_header_whose_name_is_none_is_left_out(name: str) -> None:
    assert not passes(name)


@pytest.mark.parametrize("value", ["3\r\nset-cookie: x", "\0", "\x7f", "\x9b", "\xe9", "a\nb"])
def test_a_header_whose_value_is_none_is_left_out(value: str) -> None:
    assert not passes("retry-after", value)


@pytest.mark.bound("clawmatrix_model_proxy.wire.PASSED_MOST")
@pytest.mark.bound("clawmatrix_model_proxy.wire.PASSED_LENGTH")
def test_headers_that_are_passed_on_are_bounded() -> None:
    many = {f"x-ratelimit-{number}": "v" for number in range(PASSED_MOST + 10)}
    assert len(passed_headers(many)) == PASSED_MOST
    assert passes("x-request-id", "x" * PASSED_LENGTH)
    assert not passes("x-request-id", "x" * (PASSED_LENGTH + 1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("application/json", "application/json"),
        ("text/event-stream; charset=utf-8", "text/event-stream; charset=utf-8"),
        ("Text/Event-Stream;x", "Text/Event-Stream;x"),
        ("", "application/json"),
        ("text/html\r\nset-cookie: p=1", "application/json"),
        ("text/event-stream\nx: y", "text/event-stream"),
        ("text/plain; \xe9", "application/json"),
        ("text/" + "x" * 2000, "application/json"),
    ],
)
def test_a_content_type_is_one_or_that_of_json(given: str, told: str) -> None:
    assert media_type(given) == told


@pytest.mark.parametrize(
    ("payload", "sign"),
    [
        ({"alive": True}, Sign(alive=True)),
        ({"firstToken": 2, "later": []}, Sign(first_token=2.0)),
        ({"status": 200}, None),
        (b"alive", None),
        (None, None),
    ],
)
def test_a_sign_is_told_from_a_head(payload: object, sign: Sign | None) -> None:
    assert read_sign(payload) == sign


@pytest.mark.parametrize(
    "payload", [{"alive": 5}, {"firstToken": "1"}, {"firstToken": -1.0}, {"firstToken": math.inf}]
)
def test_a_sign_that_is_none_is_an_error(payload: object) -> None:
    with pytest.raises(ExchangeFailure):
        read_sign(payload)


# --- headers that trace a request

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_traces_a_request_travels_with_it() -> None:
    sent = {"traceparent": PARENT, "tracestate": "a=1,b=2", "x-request-id": "r-7", "accept": "x"}
    assert trace_headers(sent) == {name: sent[name] for name in TRACE_HEADERS}
    later = {"traceparent": PARENT.replace("00-", "01-", 1) + "-more"}
    assert trace_headers(later) == later
    assert trace_headers({}) == {}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "x",
        PARENT[:-1],
        PARENT.upper(),
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        PARENT + " x",
        PARENT + "\r\nx: y",
    ],
)
def test_a_malformed_parent_is_left_out_with_its_state(parent: str) -> None:
    sent = {"traceparent": parent, "tracestate": "a=1", "x-request-id": "r-7"}
    assert trace_headers(sent) == {"x-request-id": "r-7"}


@pytest.mark.bound("clawmatrix_model_proxy.wire.TRACE_LENGTH")
@pytest.mark.parametrize("value", ["r" * (TRACE_LENGTH + 1), "a\nb", "\xe9", ""])
def test_what_is_too_long_or_no_text_is_left_out(value: str) -> None:
    assert trace_headers({"x-request-id": value}) == {}
    assert trace_headers({"x-request-id": "r" * TRACE_LENGTH})
