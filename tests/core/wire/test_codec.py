"""The frame codec: its form, its limits, and what a relay may change."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clawmatrix_core.base.errors import LocalProtocolError, RemoteProtocolError
from clawmatrix_core.base.node_id import NAME_LIMIT, NodeId
from clawmatrix_core.wire.codec import (
    HEADER_LIMIT,
    MESSAGE_LIMIT,
    TTL_START,
    Header,
    Lane,
    decode_header,
    encode_header,
    join,
    payload_of,
    read_frame,
    split,
    with_ttl,
)

HOME, OFFICE = NodeId("home"), NodeId("office")
NAMES = st.text(min_size=1, max_size=NAME_LIMIT)
COUNTS = st.integers(min_value=0, max_value=2**53 - 2)
HEADERS = st.builds(
    Header,
    type=NAMES,
    id=st.text(max_size=NAME_LIMIT),
    source=NAMES.map(NodeId),
    to=NAMES.map(NodeId),
    timestamp=st.integers(min_value=-(2**62), max_value=2**62),
    body=st.sampled_from(["json", "bytes", "sealed"]),
    seq=COUNTS,
    re=st.booleans(),
    fin=st.booleans(),
    ack=COUNTS,
    limit=COUNTS,
    deadline=COUNTS,
    lane=st.sampled_from([lane.value for lane in Lane]),
)


def line_with(**changes: Any) -> bytes:
    """Return a header line that is good but for the changes."""
    fields = {"type": "ping", "id": "1", "from": "home", "to": "office", "timestamp": 1}
    return json.dumps({**fields, **changes}).encode()


def reason_of(line: bytes) -> str:
    """Return why a header line is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode_header(line)
    return caught.value.reason


def test_the_header_line_is_this_one() -> None:
    header = Header("model_req", "5f3a", HOME, OFFICE, 1_760_000_000_000)
    assert encode_header(header) == (
        b'{"type":"model_req","id":"5f3a","from":"home","to":"office","timestamp":1760000000000}'
    )


def test_a_header_line_with_every_field_is_this_one() -> None:
    header = Header("data", "5f3a", HOME, OFFICE, 1, "sealed", 2, True, True, 3, 4, 5, 2)
    line = (
        b'{"type":"data","id":"5f3a","from":"home","to":"office","timestamp":1,"body":"sealed",'
        b'"seq":2,"re":true,"fin":true,"ack":3,"limit":4,"deadline":5,"lane":2}'
    )
    assert encode_header(header) == line
    assert decode_header(line) == header


def test_a_message_is_ttl_line_newline_body() -> None:
    assert join(b"{}", b"body") == b"\x20{}\nbody"
    assert join(b"{}", b"", 1) == b"\x01{}\n"


@given(HEADERS, st.binary(max_size=200), st.integers(min_value=0, max_value=TTL_START))
def test_what_is_joined_splits_again(header: Header, body: bytes, ttl: int) -> None:
    wire = split(join(encode_header(header), body, ttl))
    assert (wire.ttl, decode_header(wire.line), wire.body) == (ttl, header, body)


@given(HEADERS, st.binary(max_size=200), st.integers(min_value=0, max_value=TTL_START))
def test_a_relay_changes_one_byte(header: Header, body: bytes, ttl: int) -> None:
    message = join(encode_header(header), body)
    changed = with_ttl(message, ttl)
    assert changed[0] == ttl
    assert changed[1:] == message[1:]


@given(HEADERS)
def test_the_longest_names_fit_into_a_header(header: Header) -> None:
    widest = msgspec.structs.replace(
        header,
        type="\x01" * NAME_LIMIT,
        id="\x01" * NAME_LIMIT,
        source=NodeId("\x01" * NAME_LIMIT),
        to=NodeId("\x01" * NAME_LIMIT),
    )
    assert decode_header(encode_header(widest)) == widest


def test_fields_that_a_version_does_not_know_are_ignored() -> None:
    line = line_with(priority=7, path=["a", {"b": None}])
    assert decode_header(line) == decode_header(line_with())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        line_with().replace(b"home", b"h\xffme"),
        line_with().replace(b'"timestamp": 1', b'"timestamp": NaN'),
        line_with().replace(b'"timestamp": 1', b'"timestamp": Infinity'),
        line_with().replace(b"home", b"\\ud800"),
        b'{"z":' + b"[" * 5000 + b"]" * 5000 + b"}",
        line_with(timestamp="1"),
        line_with(timestamp=1.5),
        line_with(timestamp=None),
        line_with(body="xml"),
        line_with(lane=3),
        line_with(lane=True),
        line_with(seq=-1),
        line_with(seq=2**53),
        line_with(seq=10**400),
        line_with(ack=-1),
        line_with(limit=-1),
        line_with(deadline=2**53),
        line_with(re=1),
        line_with(fin="yes"),
        line_with(type=""),
        line_with(type="t" * (NAME_LIMIT + 1)),
        line_with(id="i" * (NAME_LIMIT + 1)),
        line_with(to=""),
        line_with(to="n" * (NAME_LIMIT + 1)),
        line_with(**{"from": "n" * (NAME_LIMIT + 1)}),
        line_with(**{"from": ""}),
    ],
)
def test_a_header_that_is_none_is_refused(line: bytes) -> None:
    assert reason_of(line) == "bad_header"


@given(st.binary(max_size=300))
@example(b"\x20" + b"[" * 2000)
def test_no_message_does_worse_than_a_protocol_error(message: bytes) -> None:
    try:
        wire = split(message)
        decode_header(wire.line)
    except RemoteProtocolError:
        return
    assert wire.message == message


@pytest.mark.bound("clawmatrix_core.wire.codec.HEADER_LIMIT")
def test_a_header_may_have_8_kib_and_no_byte_more() -> None:
    assert len(split(join(b"h" * HEADER_LIMIT, b"")).line) == HEADER_LIMIT
    with pytest.raises(RemoteProtocolError) as caught:
        split(join(b"h" * (HEADER_LIMIT + 1), b""))
    assert caught.value.reason == "header_too_large"


@pytest.mark.parametrize("message", [b"", b"\n", b"\x20", b"\x20no newline"])
def test_a_message_without_a_header_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split(message)
    assert caught.value.reason == "header_too_large"


@pytest.mark.bound("clawmatrix_core.wire.codec.MESSAGE_LIMIT")
def test_a_message_may_have_1_mib_and_no_byte_more() -> None:
    message = join(b"{}", bytes(MESSAGE_LIMIT - 4))
    assert len(message) == MESSAGE_LIMIT
    assert split(message).body == bytes(MESSAGE_LIMIT - 4)
    with pytest.raises(RemoteProtocolError) as caught:
        split(message + b"x")
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("ttl", [TTL_START + 1, 255])
def test_a_ttl_above_the_start_is_refused(ttl: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split(bytes((ttl,)) + b"{}\n")
    assert caught.value.reason == "bad_ttl"


def test_a_header_of_our_own_that_is_too_long_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="the limit is 8192"):
        encode_header(Header("t" * HEADER_LIMIT, "", HOME, OFFICE, 0))


# --- bodies


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        (b"j", b"", (None, None)),
        (b"j", b"[1]", ([1], None)),
        (b"b", b"[1]", (b"[1]", None)),
        (b"m", b"[1]\nx\ny", ([1], b"x\ny")),
        (b"m", b"[1]\n", ([1], b"")),
        (b"m", b"\nx", (None, b"x")),
    ],
)
def test_a_body_is_json_or_bytes_or_both(kind: bytes, body: bytes, read: Any) -> None:
    assert payload_of(kind, body) == read


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (b"x", b"", "bad_body"),
        (b"", b"", "bad_body"),
        (b"j", b"{", "bad_json"),
        (b"j", b"[" * 10000, "bad_json"),
        (b"j", b'"\xff"', "bad_json"),
        (b"m", b"[1]", "bad_json"),
        (b"m", b"", "bad_json"),
        (b"m", b"{\nx", "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(kind: bytes, body: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        payload_of(kind, body)
    assert caught.value.reason == reason


def test_what_a_frame_is_acknowledged_with_fits_into_a_header_too() -> None:
    line = b'{"type":"x","id":"i","from":"a","to":"b","timestamp":1,"%s":9007199254740991}'
    assert decode_header(line % b"ack").ack == 2**53 - 1
    with pytest.raises(RemoteProtocolError):
        decode_header(line % b"seq")


def test_a_message_is_read_with_its_header() -> None:
    message = join(line_with(), b"body", 7)
    header, wire = read_frame(message)
    assert header == decode_header(line_with())
    assert (wire.ttl, wire.line, bytes(wire.body)) == (7, line_with(), b"body")
    with pytest.raises(RemoteProtocolError):
        read_frame(b"no frame")
