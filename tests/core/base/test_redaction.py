"""Tests of secrets taken out of text and records."""

from __future__ import annotations

import json
import logging
import sys
from urllib.parse import quote

import pytest

from clawmatrix_core.base.redaction import REDACTING, redact, register_secret, shown_address

SECRET = 'a secret with "quotes" & back\\slashes é'


def record(message: object, *args: object) -> logging.LogRecord:
    return logging.LogRecord("clawmatrix.x", logging.INFO, "x.py", 1, message, args, None)


def test_a_registered_secret_is_taken_out_in_every_form() -> None:
    register_secret(SECRET)
    register_secret(SECRET)
    for form in (SECRET, repr(SECRET)[1:-1], json.dumps(SECRET)[1:-1], quote(SECRET, safe="")):
        assert redact(f"before {form} after") == "before *** after"


def test_the_longer_of_two_secrets_goes_whole() -> None:
    register_secret("overlapping")
    register_secret("overlapping-longer")
    assert redact("overlapping-longer overlapping") == "*** ***"


def test_a_word_is_not_taken_for_a_secret() -> None:
    register_secret("ollama")
    register_secret("")
    assert redact("the ollama server") == "the ollama server"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer ***"),
        ("{'authorization': 'bearer abc123def456'}", "{'authorization': 'bearer ***'}"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
        ("x-api-key: k1", "x-api-key: ***"),
        ('{"api_key": "k1"}', '{"api_key": "***"}'),
        ("GET /v1?a=1&token=t1&b=2", "GET /v1?a=1&token=***&b=2"),
        ("https://me:pass@host/x", "https://me:***@host/x"),
        ("ws://me:p@ss@host/x", "ws://me:***@host/x"),
        ("ws://me:p/a?s#s@host:1", "ws://me:***@host:1"),
        ("ws://me:pass@host/#part", "ws://me:***@host/#part"),
        ("https://t0ken@host/x", "https://***@host/x"),
        ("https://h/#access_token=t1&b=2", "https://h/#access_token=***&b=2"),
        ("https://h/?X-Amz-Signature=t1", "https://h/?X-Amz-Signature=***"),
        ("https://host:8080/path/@x", "https://host:8080/path/@x"),
        ("http://h/p?mail=a@b", "http://h/p?mail=a@b"),
        ("sk-proj-0123456789abcdef", "***"),
        ("bearer authentication is needed", "bearer authentication is needed"),
        ("ws://127.0.0.1:80/x at 12:30", "ws://127.0.0.1:80/x at 12:30"),
    ],
)
def test_what_plainly_is_a_secret_is_taken_out(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("wss://host:1/path", "wss://host:1/path"),
        ("ws://me:pass@host:1/x", "ws://***@host:1/x"),
        ("ws://token@host", "ws://***@host"),
        ("unix://@name", "unix://@name"),
        ("ws://me:p@s/s?w#d@host:1", "ws://***@host:1"),
        ("ws://host/x?k=v#f", "ws://host/x?***"),
        ("ws://me:pass@host/#f", "ws://***@host/#***"),
        ("me:pass@host:1", "***@host:1"),
        ("host", "host"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    assert shown_address(address) == shown
    assert shown_address(shown) == shown


def test_arguments_and_exceptions_of_a_record_are_cleaned() -> None:
    register_secret("hidden-value-1")
    entry = record("key %s", "hidden-value-1")
    try:
        raise ValueError("hidden-value-1 is wrong")
    except ValueError:
        entry.exc_info = sys.exc_info()
    entry.stack_info = "stack of hidden-value-1"
    assert REDACTING.filter(entry)
    assert entry.getMessage() == "key ***"
    assert entry.exc_text is not None
    assert "ValueError: *** is wrong" in entry.exc_text
    assert entry.stack_info == "stack of ***"


def test_an_exception_that_is_text_already_is_cleaned() -> None:
    register_secret("hidden-value-2")
    entry = record("x")
    entry.exc_text = "hidden-value-2"
    REDACTING.filter(entry)
    assert entry.exc_text == "***"


def test_a_message_that_cannot_be_formatted_does_not_end_its_caller() -> None:
    entry = record("%d", "x")
    assert REDACTING.filter(entry)
    assert entry.getMessage().startswith("a log message cannot be formatted: TypeError(")
