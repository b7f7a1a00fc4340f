"""How many values a text of others may have that is decoded."""

from __future__ import annotations

import json

import msgspec
import pytest

from clawmatrix_model_proxy.json_values import (
    VALUES,
    TooManyValues,
    decode,
    decode_numbers,
    has_more_values,
    marks_in,
)

TOO_MANY = b"[" + b"[]," * VALUES + b"[]]"


@pytest.mark.bound("clawmatrix_model_proxy.json_values.VALUES")
@pytest.mark.parametrize("read", [decode, decode_numbers])
def test_a_text_with_more_values_than_the_bound_is_not_decoded(read: object) -> None:
    assert callable(read)
    with pytest.raises(TooManyValues, match="131,072"):
        read(TOO_MANY)


def test_too_many_values_are_one_of_the_errors_of_decoding() -> None:
    assert issubclass(TooManyValues, msgspec.DecodeError)


def test_the_most_that_the_bound_allows_is_decoded() -> None:
    fits = b"[" + b"0," * (VALUES - 1) + b"0]"
    assert decode(fits) == [0] * VALUES


@pytest.mark.parametrize("size", [1, 9 * 1024 * 1024])
def test_marks_within_strings_are_no_values(size: int) -> None:
    words = 'a, [b], {c}, \\"d\\", "' * (size // 20 + 1)
    text = json.dumps({"model": "m", "messages": [words, words]}).encode()
    assert not has_more_values(text)
    assert decode(text) == {"model": "m", "messages": [words, words]}


def test_a_long_text_is_counted_outside_of_its_strings() -> None:
    words = json.dumps("x" * 2_000_000).encode()
    assert has_more_values(b"[" + words + b",[]" * (VALUES + 1) + b"]")


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 2_000_000, b'"' * 2_000_001, b'"\\'])
def test_a_string_without_an_end_is_no_json(text: bytes) -> None:
    has_more_values(text + b"," * (VALUES + 1))
    with pytest.raises(msgspec.DecodeError):
        decode(text)


def test_numbers_of_embeddings_are_not_counted() -> None:
    text = json.dumps({"data": [{"embedding": [0.5] * (VALUES + 10)}]}).encode()
    found = decode_numbers(text)
    assert isinstance(found, dict)
    with pytest.raises(TooManyValues):
        decode(text)


def test_marks_of_a_string_are_an_upper_bound_of_its_values() -> None:
    assert marks_in('{"a": [1, 2, {}]}') >= 5
