"""What nodes say to each other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.wire import Head, Opening, read_head, read_opening, safe_header


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


def test_only_headers_that_clients_act_on_are_passed() -> None:
    assert safe_header("retry-after", "3")
    assert safe_header("x-ratelimit-remaining-requests", "3")
    for name in ("set-cookie", "openai-organization", "server", "content-length"):
        assert not safe_header(name, "x")
    assert not safe_header("retry-after", "3\r\nset-cookie: x")
