"""Errors in each shape."""

from __future__ import annotations

import json

import pytest

from clawmatrix_http.refusal import HttpRefusal, shape_of_path


def test_openai_shape() -> None:
    body = json.loads(HttpRefusal(401, "invalid_api_key", "no").body("openai"))
    assert body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }
    assert json.loads(HttpRefusal(500, "x", "no").body("openai"))["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (500, "api_error"),
    ],
)
def test_anthropic_shape(status: int, kind: str) -> None:
    body = json.loads(HttpRefusal(status, "x", "no").body("anthropic"))
    assert body == {"type": "error", "error": {"type": kind, "message": "no"}}


def test_plain_shape() -> None:
    assert json.loads(HttpRefusal(404, "x", "no").body("plain")) == {"error": "no"}


def test_unknown_paths_below_v1_are_answered_as_openai_would() -> None:
    assert shape_of_path("/v1/nothing") == shape_of_path("/v1") == "openai"
    assert shape_of_path("/v1x") == shape_of_path("/") == "plain"
