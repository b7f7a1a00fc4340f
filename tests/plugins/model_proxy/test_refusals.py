"""Errors of the HTTP server in the shape of each API."""

from __future__ import annotations

import pytest

from clawmatrix_http.api import HttpRefusal
from clawmatrix_model_proxy.api import anthropic_error, openai_error


def test_openai_shape() -> None:
    assert openai_error(HttpRefusal(401, "invalid_api_key", "no")) == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }
    assert openai_error(HttpRefusal(500, "x", "no"))["error"]["type"] == "server_error"


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
    body = anthropic_error(HttpRefusal(status, "x", "no"))
    assert body == {"type": "error", "error": {"type": kind, "message": "no"}}
