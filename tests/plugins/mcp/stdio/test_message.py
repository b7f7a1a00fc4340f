"""What the pump reads of a message, and the headers that repeat it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import classify_inbound_request, decode_header_value

from clawmatrix_mcp.stdio.message import Malformed, on_one_line, read_message
from tests.plugins.mcp.stdio.pumping import MODERN

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_sdk_finds_the_headers_to_be_those_of_the_message(name: str) -> None:
    message = {"method": "tools/call", "params": {"name": name, "_meta": MODERN}, "id": 1}
    headers = read_message(line(**message)).headers()
    assert decode_header_value(headers["mcp-name"]) == name
    assert type(classify_inbound_request(message, headers=headers)).__name__ == "InboundModernRoute"
    for value in headers.values():
        assert value.isascii()
        assert value.isprintable()


@given(VALUES)
def test_whatever_the_parameters_are_the_rest_is_read(params: Any) -> None:
    found = read_message(line(id="a", method="tools/call", params=params))
    assert (found.id, found.method, found.is_request) == ("a", "tools/call", True)


@pytest.mark.parametrize("id_", [0, 1, -5, "", "a", "1", 1.5, 2**70])
def test_an_id_stays_what_it_was(id_: object) -> None:
    found = read_message(line(id=id_, method="ping"))
    assert found.id == id_
    assert type(found.id) is type(id_) or isinstance(id_, int)
    assert json.loads(bytes(found.raw_id)) == id_


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nothing",
        b"7",
        b"null",
        b"[]",
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
        b'{"id": 1, "method": 7}',
        b'{"id": [1], "method": "ping"}',
        b'{"id": true, "method": "ping"}',
        b'{"id": 1, "method": "ping"',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_what_is_no_message_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(Malformed):
        read_message(text)


def test_a_message_of_a_session_repeats_nothing() -> None:
    assert read_message(line(id=1, method="tools/list", params={})).headers() == {}
    assert read_message(line(id=1, method="tools/list")).headers() == {}


def test_names_that_a_header_cannot_carry_are_encoded() -> None:
    for name in ("räum auf", " lead", "trail ", "a\nb", "", "=?base64?eA==?="):
        message = line(id=1, method="resources/read", params={"uri": name, "_meta": MODERN})
        encoded = base64.b64encode(name.encode()).decode()
        assert read_message(message).headers()["mcp-name"] == f"=?base64?{encoded}?="


def test_what_is_withdrawn_is_named() -> None:
    cancel = line(method="notifications/cancelled", params={"requestId": "7", "reason": "no"})
    assert read_message(cancel).cancels == "7"
    other = line(method="notifications/progress", params={"requestId": "7"})
    assert read_message(other).cancels is None


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_a_message_stays_the_same_on_one_line(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent).replace("\n", "\r\n").encode()
    assert b"\n" not in on_one_line(text)
    assert json.loads(on_one_line(text)) == value
