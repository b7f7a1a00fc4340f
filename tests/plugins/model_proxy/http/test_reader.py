"""Answers as HTTP frames them, in one piece and in any others, whole and cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.http.reader import (
    BETWEEN,
    HEAD_LIMIT,
    HEADERS,
    BrokenAnswer,
    ResponseReader,
)

BY_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello"
BY_CHUNKS = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\nx-trailer: 1\r\n\r\n"
)
BY_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"


def read(*pieces: bytes) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    body = b""
    for piece in pieces:
        reader.feed(piece)
        body += reader.take()
    return reader, body


@given(st.sampled_from([BY_LENGTH, BY_CHUNKS]), st.sets(st.integers(1, 90)))
def test_an_answer_is_the_same_however_it_is_cut_into_pieces(data: bytes, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    reader, body = read(*(data[a:b] for a, b in itertools.pairwise(places)))
    assert (reader.status, body) == (200, b"hello")
    assert reader.complete
    assert reader.reusable
    assert reader.framed
    assert "x-trailer" not in reader.headers


def test_names_of_headers_are_in_lower_case_and_repeated_ones_are_joined() -> None:
    reader, _ = read(b"HTTP/1.1 204 X\r\nX-One: 1\r\nx-two: a\r\nX-TWO: b\r\n\r\n")
    assert reader.headers == {"x-one": "1", "x-two": "a, b"}
    assert reader.complete


def test_one_reader_reads_one_answer_after_another() -> None:
    reader, _ = read(BY_LENGTH)
    reader.start()
    reader.feed(BY_CHUNKS)
    assert reader.take() == b"hello"
    assert reader.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize("headers", [b"", b"link: x\r\n"])
def test_an_answer_before_the_answer_is_passed_over(headers: bytes) -> None:
    reader, body = read(b"HTTP/1.1 103 Hints\r\n" + headers + b"\r\n", BY_LENGTH)
    assert (reader.status, body) == (200, b"hello")
    assert "link" not in reader.headers


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    reader, body = read(BY_THE_END)
    assert (body, reader.complete, reader.framed) == (b"hello", False, False)
    reader.end()
    assert reader.complete
    assert not reader.reusable


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 2", BY_LENGTH[:-1], BY_CHUNKS[:-2], BY_CHUNKS[:60]]
)
def test_an_answer_that_is_cut_shows(data: bytes) -> None:
    reader = ResponseReader()
    if data:
        reader.feed(data)
    with pytest.raises(BrokenAnswer):
        reader.end()


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        ResponseReader().feed(data)


@pytest.mark.bound("clawmatrix_model_proxy.http.reader.HEAD_LIMIT")
@pytest.mark.parametrize("line", [b"x-%d: 1\r\n", b"\r\nHTTP/1.1 100 Number-%d\r\n"])
def test_a_head_without_end_is_refused(line: bytes) -> None:
    def endless(reader: ResponseReader) -> None:
        reader.feed(b"HTTP/1.1 100 Continue\r\n")
        for number in range(HEAD_LIMIT):
            reader.feed(line % number)

    with pytest.raises(BrokenAnswer, match="its head has more than"):
        endless(ResponseReader())


@pytest.mark.parametrize(
    "data",
    [
        BY_LENGTH + b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
        BY_LENGTH + b"more",
        BY_LENGTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        BY_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_a_connection_that_says_more_or_means_to_close_is_not_used_again(data: bytes) -> None:
    reader, body = read(data)
    assert (reader.status, body, reader.complete) == (200, b"hello", True)
    assert not reader.reusable


@pytest.mark.bound("clawmatrix_model_proxy.http.reader.HEADERS")
@pytest.mark.parametrize("line", [b"x-%d: 1\r\n", b"x: %d\r\n"])
def test_an_answer_has_no_more_headers_than_the_bound(line: bytes) -> None:
    lines = [line % number for number in range(HEADERS)]
    reader, _ = read(b"HTTP/1.1 204 X\r\n", *lines, b"\r\n")
    assert reader.complete
    with pytest.raises(BrokenAnswer, match="more than 256 headers"):
        read(b"HTTP/1.1 204 X\r\n" + b"".join(lines) + line % 1 + b"\r\n")


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.bound("clawmatrix_model_proxy.http.reader.BETWEEN")
@pytest.mark.parametrize("begin", [b"5;x=", b"0\r\nx: ", b"0\r\n" + b"x: y\r\n" * 5])
def test_bytes_that_do_not_belong_to_the_body_have_a_limit(begin: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="do not belong to its body"):
        read(CHUNKED + begin, *[b"a" * 4096] * (BETWEEN // 4096 + 1))


def test_a_body_in_chunks_of_one_byte_is_read() -> None:
    pieces = [b"1\r\na\r\n" * 1000] * 60
    _, body = read(CHUNKED, *pieces, b"0\r\n\r\n")
    assert body == b"a" * 60_000
