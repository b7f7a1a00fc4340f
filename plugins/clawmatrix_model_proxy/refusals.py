"""The errors of the local HTTP server, as clients of OpenAI and of Anthropic understand them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_http.api import HttpRefusal

__all__ = ["anthropic_error", "anthropic_type", "openai_error"]

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def openai_error(refusal: HttpRefusal) -> JSON:
    """Return the JSON of an error as OpenAI writes it."""
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    fields = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
    return {"error": fields}


def anthropic_error(refusal: HttpRefusal) -> JSON:
    """Return the JSON of an error as Anthropic writes it."""
    kind = anthropic_type(refusal.status)
    return {"type": "error", "error": {"type": kind, "message": refusal.message}}


def anthropic_type(status: int) -> str:
    """Return Anthropic's word for the errors that have a status."""
    other = "invalid_request_error" if status < 500 else "api_error"
    return _ANTHROPIC_TYPES.get(status, other)
