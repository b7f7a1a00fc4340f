"""What the receiving side of an end makes of frames, and gives its reader."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.receiving import Receiving
from clawmatrix_core.exchange.windows import FRAME_COST, WINDOW
from clawmatrix_core.wire.codec import Header
from clawmatrix_core.wire.frames import Frame

HOME, OFFICE = NodeId("home"), NodeId("office")


def frame(
    seq: int,
    payload: Any = b"",
    *,
    type_: str = "data",
    fin: bool = False,
    size: int | None = None,
    data: bytes | None = None,
) -> Frame:
    """Return a frame of home's."""
    header = Header(type_, "id", HOME, OFFICE, 0, "sealed", seq=seq, fin=fin)
    return Frame(header, payload, None, len(payload) if size is None else size, data)


def asked() -> Receiving:
    """Return the side that waits for an answer."""
    return Receiving(WINDOW, opened_here=True)


def everything(receiving: Receiving) -> list[Any]:
    found = []
    while receiving.ready:
        found.append(receiving.read()[0])
    return found


def test_frames_are_read_in_their_order_whatever_order_they_come_in() -> None:
    receiving = asked()
    for seq in (2, 0, 1):
        receiving.take(frame(seq, b"%d" % seq))
    assert everything(receiving) == [b"0", b"1", b"2"]


def test_a_repeat_wants_credit_and_is_not_read_again() -> None:
    receiving = asked()
    assert not receiving.take(frame(0, b"x"))
    assert receiving.take(frame(0, b"x")), "the acknowledgement was missed"
    assert everything(receiving) == [b"x"]


def test_json_and_the_bytes_behind_it_are_two_payloads() -> None:
    receiving = asked()
    receiving.take(frame(0, {"a": 1}, size=9, data=b"bytes"))
    assert everything(receiving) == [{"a": 1}, b"bytes"]


def test_the_payload_of_an_opening_frame_is_no_part_of_the_stream_but_its_bytes_are() -> None:
    for data, expected in ((None, []), (b"bytes", [b"bytes"])):
        receiving = Receiving(WINDOW, opened_here=False)
        receiving.take(frame(0, {"a": 1}, type_="ask", size=7, data=data))
        assert everything(receiving) == expected


def test_it_is_whole_once_the_last_frame_is_in_order() -> None:
    receiving = asked()
    whole = []
    for item in (frame(1, fin=True), frame(0, b"x")):
        receiving.take(item)
        whole.append(receiving.whole)
    assert whole == [False, True]
    assert everything(receiving) == [b"x"], "an empty last frame is no payload"


def test_an_error_ends_the_direction_behind_what_came_before_it() -> None:
    receiving = asked()
    receiving.take(frame(0, b"x"))
    body = {"code": "busy", "message": "later"}
    receiving.take(frame(1, body, type_="error", fin=True, size=20))
    assert receiving.failure is not None
    assert receiving.failure.code == "busy"
    assert receiving.inbox.ended
    assert not receiving.whole
    assert everything(receiving) == [b"x"]


def test_what_is_ready_is_dropped_by_a_stop_unless_it_is_the_whole() -> None:
    for last, expected in ((False, []), (True, [b"x"])):
        receiving = asked()
        receiving.take(frame(0, b"x", fin=last))
        receiving.stop()
        assert receiving.inbox.ended
        assert everything(receiving) == expected


def test_credit_grows_as_payloads_are_read_and_nothing_is_owed_behind_it() -> None:
    receiving = asked()
    receiving.take(frame(0, bytes(1000)))
    receiving.owes = True
    assert receiving.credit() == (1, WINDOW)
    assert not receiving.owes
    receiving.read()
    assert receiving.credit() == (1, WINDOW + 1000 + FRAME_COST)


def test_once_released_all_that_comes_counts_as_read() -> None:
    receiving = asked()
    receiving.take(frame(0, bytes(1000)))
    receiving.release()
    receiving.take(frame(1, bytes(1000)))
    assert not receiving.ready
    assert receiving.inbox.taken == 2 * (1000 + FRAME_COST)


def test_more_than_the_window_is_a_breach_of_the_protocol() -> None:
    receiving = asked()
    chunk = 64 * 1024
    for seq in range(3):
        receiving.take(frame(seq, bytes(chunk)))
    with pytest.raises(RemoteProtocolError) as caught:
        receiving.take(frame(3, bytes(chunk)))
    assert caught.value.reason == "window"
