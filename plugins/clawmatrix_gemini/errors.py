"""Gemini's errors, in the words that the failover table and clients know."""

from __future__ import annotations

import re
from typing import Any

from clawmatrix_model_proxy.api import ErrorWords

__all__ = ["blocked", "broken_off", "read_error"]

_TYPES = {
    "DEADLINE_EXCEEDED": "timeout_error",
    "FAILED_PRECONDITION": "invalid_request_error",
    "INTERNAL": "api_error",
    "INVALID_ARGUMENT": "invalid_request_error",
    "NOT_FOUND": "not_found_error",
    "OUT_OF_RANGE": "invalid_request_error",
    "PERMISSION_DENIED": "permission_error",
    "RESOURCE_EXHAUSTED": "rate_limit_error",
    "UNAUTHENTICATED": "authentication_error",
    "UNAVAILABLE": "overloaded_error",
}
_TOO_LONG = re.compile(r"input token count.*exceeds the maximum", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_LONGEST_DELAY = 86_400.0
_BAD_KEY = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})


def read_error(body: dict[str, Any], otherwise: str) -> ErrorWords:
    """Read the body of an error, or an event that is one; ``otherwise`` is for one without words.

    A key that is refused has the status 400 there, so it gets one that is about keys.
    """
    error = body.get("error")
    fields = error if isinstance(error, dict) else {}
    message, word = fields.get("message"), fields.get("status")
    text = message if isinstance(message, str) and message else otherwise
    code = word if isinstance(word, str) else None
    details = _details(fields)
    if any(detail.get("reason") in _BAD_KEY for detail in details):
        return ErrorWords(text, "authentication_error", "invalid_api_key", 401)
    if code == "INVALID_ARGUMENT" and _TOO_LONG.search(text):
        return ErrorWords(text, "invalid_request_error", "context_length_exceeded")
    wait = next((delay for detail in details if (delay := _delay(detail)) is not None), None)
    return ErrorWords(text, _TYPES.get(code or "", "upstream_error"), code, None, wait)


def _details(fields: dict[str, Any]) -> list[dict[str, Any]]:
    details = fields.get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _delay(detail: dict[str, Any]) -> float | None:
    """Return the seconds that a ``RetryInfo`` asks to wait."""
    delay = detail.get("retryDelay")
    found = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
    return None if found is None else min(float(found[1]), _LONGEST_DELAY)


def blocked(reason: str, message: str | None) -> ErrorWords:
    """Return the error for a prompt that a filter stopped."""
    text = f"Gemini refused the prompt: {message or reason}"
    return ErrorWords(text, "invalid_request_error", "content_filter", 400)


def broken_off(reason: str, message: str | None) -> ErrorWords:
    """Return the error for an answer that ended with a fault of the upstream's."""
    text = f"Gemini broke off its answer: {reason}{f': {message}' if message else ''}"
    return ErrorWords(text, "api_error", reason)
