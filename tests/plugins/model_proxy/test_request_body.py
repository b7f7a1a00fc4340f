"""What is read of a request, and the one change to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.request_body import MEMBERS, is_json, read_wanted, with_model

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_model_and_stream_are_read() -> None:
    wanted = read_wanted(b'{"messages": [], "model": "office/qwen3", "stream": true}')
    assert (wanted.model, wanted.streams) == ("office/qwen3", True)


@pytest.mark.parametrize("stream", ["false", "null", '"true"', "1", "[]"])
def test_only_true_streams(stream: str) -> None:
    assert not read_wanted(b'{"model": "m", "stream": %s}' % stream.encode()).streams


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b"{", None, "not valid JSON"),
        (b'{"model": "m"} trailing', None, "not valid JSON"),
        (b'{"model": "m", "x": nul}', None, "not valid JSON"),
        (b"\xff\xfe", None, "not valid JSON"),
        (b"[" * 5000, None, "not valid"),
        (b"[]", None, "not valid"),
        (b'"m"', None, "not valid"),
        (b"{}", "model", "names no model"),
        (b'{"model": null}', "model", "names no model"),
        (b'{"model": ""}', "model", "names no model"),
        (b'{"model": 7}', "model", "not valid"),
    ],
)
def test_what_is_no_request_is_400(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_wanted(body)
    error = caught.value
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)
    assert words in str(error)


def test_the_same_model_leaves_every_byte() -> None:
    body = b' { "model" : "m" , "temperature":1.0e0, "messages":[ ] } '
    assert with_model(body, "m") is body


def test_another_model_leaves_every_other_value_byte_for_byte() -> None:
    odd = b'[ {"role" :"user","content":"\\u00e9\\/" , "x": 1.50e+3} ]'
    body = b'{"temperature": 0.10, "model": "office/m", "messages": ' + odd + b', "big": 1e400}'
    changed = with_model(body, 'org/"m"')
    assert odd in changed
    assert b"0.10" in changed
    assert b"1e400" in changed
    assert json.loads(changed)["model"] == 'org/"m"'
    assert list(json.loads(changed)) == ["temperature", "model", "messages", "big"]


def test_a_request_without_a_model_gets_one() -> None:
    assert json.loads(with_model(b'{"messages": []}', "m")) == {"messages": [], "model": "m"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"'])
def test_what_is_no_object_cannot_be_rewritten(body: bytes) -> None:
    with pytest.raises(ApiError):
        with_model(body, "m")


@given(st.dictionaries(st.text(), JSON, max_size=6), st.text(), st.text())
def test_nothing_but_the_model_changes(
    request: dict[str, object], model: str, upstream: str
) -> None:
    body = json.dumps({**request, "model": model}).encode()
    assert json.loads(with_model(body, upstream)) == {**request, "model": upstream}


def test_json_is_told_from_half_of_it() -> None:
    assert is_json(b' {"a": [1]} ')
    assert not is_json(b'{"a": [1]')
    assert not is_json(b"")


LONG = "y" * 70_000


def test_a_large_request_gets_its_model_too() -> None:
    body = json.dumps({"model": "office/m", "text": LONG, "é": [1]}).encode()
    assert json.loads(with_model(body, "m")) == {"model": "m", "text": LONG, "é": [1]}


@pytest.mark.bound("clawmatrix_model_proxy.request_body.MEMBERS")
def test_a_large_request_has_no_more_members_than_the_bound() -> None:
    members = {f"k{number}": 0 for number in range(MEMBERS - 2)}
    fits = {"model": "m", "text": LONG, **members}
    assert json.loads(with_model(json.dumps(fits).encode(), "n"))["model"] == "n"
    with pytest.raises(ApiError, match="1,024 members"):
        with_model(json.dumps({**fits, "more": 0}).encode(), "n")


def test_what_is_not_acted_on_is_not_decoded() -> None:
    many = b"[" + b"[]," * 200_000 + b"[]]"
    wanted = read_wanted(b'{"model":"m","stream":%b,"previous_response_id":%b}' % (many, many))
    assert (wanted.streams, wanted.previous) == (False, None)


def test_the_id_of_a_response_has_a_limit() -> None:
    with pytest.raises(ApiError) as caught:
        read_wanted(b'{"model":"m","previous_response_id":"%b"}' % (b"x" * 5000))
    assert caught.value.param == "previous_response_id"
