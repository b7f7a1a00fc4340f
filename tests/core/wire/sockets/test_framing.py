"""Messages and closes as bytes, and bytes that are neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.wire.sockets.framing import (
    MESSAGE,
    REASON,
    Closed,
    Incoming,
    UnreadableError,
    close_frame,
    message_frame,
)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[bytes], size: int
) -> None:
    stream = b"".join(map(message_frame, messages)) + close_frame(4001, "enough")
    incoming, found = Incoming(), []
    for at in range(0, len(stream), size):
        incoming.feed(stream[at : at + size])
        while (one := incoming.take()) is not None:
            found.append(one)
    assert found == [*messages, Closed(4001, "enough")]


@pytest.mark.bound("clawmatrix_core.wire.sockets.framing.MESSAGE")
def test_a_message_that_is_too_large_is_refused_by_its_length_alone() -> None:
    incoming = Incoming()
    incoming.feed(message_frame(bytes(MESSAGE)))
    assert incoming.take() == bytes(MESSAGE)
    incoming.feed(message_frame(bytes(MESSAGE + 1))[:5])
    with pytest.raises(UnreadableError, match="a message is too large") as refused:
        incoming.take()
    assert refused.value.code == 1009


@pytest.mark.bound("clawmatrix_core.wire.sockets.framing.REASON")
@pytest.mark.parametrize("size", [0, 1, 2 + REASON + 1, 1 << 31])
def test_a_close_of_another_size_is_no_close(size: int) -> None:
    incoming = Incoming()
    incoming.feed(b"c" + size.to_bytes(4))
    with pytest.raises(UnreadableError, match="what is no message"):
        incoming.take()


@pytest.mark.parametrize("text", ["GET / HTTP/1.1\r\n", "\0\0\0\0\0", "mesh"])
def test_another_program_is_told_from_a_node_by_its_first_bytes(text: str) -> None:
    incoming = Incoming()
    incoming.feed(text.encode() + bytes(5))
    with pytest.raises(UnreadableError):
        incoming.take()


def test_a_reason_is_cut_between_two_characters_and_shown_without_control_characters() -> None:
    incoming = Incoming()
    incoming.feed(close_frame(4001, "a" + "ä" * REASON))
    assert incoming.take() == Closed(4001, "a" + "ä" * ((REASON - 1) // 2))
    incoming.feed(close_frame(4001, "red \x1b[31m\n"))
    assert incoming.take() == Closed(4001, "red [31m")
