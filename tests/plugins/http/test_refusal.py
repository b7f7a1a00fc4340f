"""The errors that the server itself answers with."""

from __future__ import annotations

import json

import pytest

from clawmatrix_http.api import HttpRefusal
from clawmatrix_http.refusal import body_of, plain_error

NO = HttpRefusal(404, "not_found", "there is no /x")


def test_a_plain_error_is_its_message() -> None:
    assert json.loads(body_of(NO, plain_error)) == {"error": "there is no /x"}


def test_a_shape_is_a_function_of_the_error() -> None:
    body = body_of(NO, lambda refusal: [refusal.status, refusal.code, refusal.message])
    assert json.loads(body) == [404, "not_found", "there is no /x"]


def test_a_shape_that_gives_no_json_raises() -> None:
    with pytest.raises(TypeError):
        body_of(NO, lambda refusal: object())
