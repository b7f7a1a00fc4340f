"""The measure of work itself: it tells work that grows with its input from work that explodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.work import Seen, assert_linear, work_of

if TYPE_CHECKING:
    from collections.abc import Callable


def joined(pieces: list[bytes]) -> bytes:
    return b"".join(pieces)


def counted(pieces: list[bytes]) -> int:
    return sum(len(piece) for piece in pieces)


def grown(pieces: list[bytes]) -> bytearray:
    held = bytearray()
    for piece in pieces:
        held += piece
    return held


def added(pieces: list[bytes]) -> bytes:
    held = b""
    for piece in pieces:
        held = held + piece
    return held


def cut(pieces: list[bytes]) -> None:
    whole = Seen(b"".join(pieces))
    while whole:
        whole = whole[64:]


def searched(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    for _ in pieces:
        whole.rfind(b"\n\n")


def compared(pieces: list[bytes]) -> None:
    seen: list[bytes] = []
    for piece in pieces:
        if not any(piece is one for one in seen):
            seen.append(piece)


def put_first(pieces: list[bytes]) -> None:
    found: list[bytes] = []
    for piece in pieces:
        found.insert(0, piece)


def sorted_each_time(pieces: list[bytes]) -> None:
    found: list[bytes] = []
    for piece in pieces:
        found.append(piece)
        found.sort()


def pieces(count: int) -> list[bytes]:
    return [Seen(b"%064d" % at) for at in range(count)]


@pytest.mark.parametrize("work", [joined, counted, grown])
def test_work_that_grows_with_its_input_is_linear(work: Callable[..., object]) -> None:
    assert_linear(work, pieces, 100)


@pytest.mark.parametrize("work", [added, cut, searched, compared, put_first, sorted_each_time])
def test_work_that_grows_faster_is_told(work: Callable[..., object]) -> None:
    with pytest.raises(AssertionError, match="x the work"):
        assert_linear(work, pieces, 50)


def test_the_same_work_is_counted_alike() -> None:
    assert work_of(counted, pieces(50)) == work_of(counted, pieces(50))
