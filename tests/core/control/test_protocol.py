"""The lines of the control socket."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from clawmatrix_core.base.errors import ClawMatrixError, ExchangeFailure, PeerLost
from clawmatrix_core.control.protocol import (
    REQUEST_LIMIT,
    ControlError,
    ControlRequest,
    answer_line,
    parse_answer,
    request_line,
)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'{"method": "status"}', ControlRequest("status", {})),
        (b'{"method": "status", "params": null}', ControlRequest("status", {})),
        (
            b'{"method": "ping", "params": {"node": "a"}, "more": 1}',
            ControlRequest("ping", {"node": "a"}),
        ),
    ],
)
def test_a_request_is_read(text: bytes, request_: ControlRequest) -> None:
    assert ControlRequest.parse(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b'"status"',
        b"{}",
        b'{"method": 1}',
        b'{"method": "x", "params": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(ExchangeFailure) as caught:
        ControlRequest.parse(text)
    assert caught.value.code == "bad_request"


def test_an_answer_is_one_line() -> None:
    assert answer_line({"result": "a\nb"}) == b'{"result":"a\\nb"}\n'
    assert answer_line(ExchangeFailure("x", "y", detail={"z": 1})).count(b"\n") == 1


def test_what_is_not_json_cannot_be_answered() -> None:
    with pytest.raises(TypeError):
        answer_line({"result": object()})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ExchangeFailure("a", "b", detail=[1]), {"code": "a", "message": "b", "detail": [1]}),
        (ExchangeFailure("a", "b"), {"code": "a", "message": "b"}),
        (PeerLost("gone"), {"code": "failed", "message": "gone"}),
    ],
)
def test_errors_keep_their_code(error: ClawMatrixError, expected: object) -> None:
    assert json.loads(answer_line(error)) == {"error": expected}


def test_what_the_client_writes_the_server_reads() -> None:
    assert ControlRequest.parse(request_line("ping", {"node": "a"})) == ControlRequest(
        "ping", {"node": "a"}
    )
    assert ControlRequest.parse(request_line("status")) == ControlRequest("status", {})
    with pytest.raises(ControlError, match="too long"):
        request_line("x", {"x": "x" * REQUEST_LIMIT})


def test_what_the_server_answers_the_client_reads() -> None:
    assert parse_answer(answer_line({"item": [1, None]})) == {"item": [1, None]}
    with pytest.raises(ControlError, match=r"^no$") as caught:
        parse_answer(answer_line(ExchangeFailure("unknown_node", "no", detail={"x": 1})))
    assert (caught.value.code, caught.value.detail) == ("unknown_node", {"x": 1})


@pytest.mark.parametrize("text", [b"", b"nonsense", b"\xff", b"[1]", b'{"error": "no"}'])
def test_what_is_no_answer_is_an_error(text: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        parse_answer(text)
    assert caught.value.code == "protocol"


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"count": 1, "text": "a\udcff"}, "text: is not UTF-8 text"),
        ({"a\udcff": 1}, "a?: is not UTF-8 text"),
        ({"texts": ["a\udcff"]}, "texts: is not UTF-8 text"),
    ],
)
def test_text_that_is_not_utf8_is_the_callers_mistake(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ControlError, match=f"^{re.escape(told)}$") as caught:
        request_line("echo", params)
    assert (caught.value.code, caught.value.exit_code) == ("bad_params", 2)
