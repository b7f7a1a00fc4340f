"""What a body is, by its first bytes."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.streams.as_stream import events_of_answer
from clawmatrix_model_proxy.streams.beginning import Beginning, beginning_of
from clawmatrix_model_proxy.streams.sse import BYTE_ORDER_MARK


@pytest.mark.parametrize(
    "data", [b"data: {", b": hello", b"\r\n\r\nevent: x", b"id: 1", BYTE_ORDER_MARK + b"data:"]
)
def test_events_are_known(data: bytes) -> None:
    assert beginning_of(data) is Beginning.EVENTS


@pytest.mark.parametrize("data", [b"{", b" \n[", b'"', BYTE_ORDER_MARK + b'\n{"a"'])
def test_json_is_known(data: bytes) -> None:
    assert beginning_of(data) is Beginning.JSON


@pytest.mark.parametrize("data", [b"<html>", b"Internal", b"data ", b"date:", b"datax"])
def test_anything_else_is_neither(data: bytes) -> None:
    assert beginning_of(data) is Beginning.OTHER


@pytest.mark.parametrize("data", [b"", b" \n", b"d", b"data", b"\nev", BYTE_ORDER_MARK[:2]])
def test_too_little_says_nothing(data: bytes) -> None:
    assert beginning_of(data) is None


@pytest.mark.parametrize("format", ["chat", "messages", "responses"])
@pytest.mark.parametrize("answer", [{}, {"choices": 5, "content": 5, "output": 5}])
def test_what_is_no_answer_makes_no_stream(format: str, answer: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="does not fit its API"):
        events_of_answer(format, answer, usage=False)


@pytest.mark.parametrize("status", ["in_progress", "queued", "failed", "cancelled", 5])
def test_a_response_that_is_not_whole_makes_no_stream(status: object) -> None:
    with pytest.raises(ValueError, match="its status is"):
        events_of_answer("responses", {"output": [], "status": status}, usage=False)


@pytest.mark.parametrize("status", [None, "completed", "incomplete", "done"])
def test_a_response_that_is_whole_ends_its_stream(status: str | None) -> None:
    told = events_of_answer("responses", {"output": [], "status": status}, usage=False)
    assert (b'"type":"response.incomplete"' in told) == (status == "incomplete")
