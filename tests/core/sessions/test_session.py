"""Sealed bodies and the replay window."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.errors import DecryptError, LocalProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.session import (
    COUNTER_LIMIT,
    LATE,
    SEAL_OVERHEAD,
    WINDOW,
    ReplayWindow,
    Session,
    sealed_session_id,
)
from clawmatrix_core.wire.codec import Header, read_frame

ID = b"session1"
ONE, OTHER = bytes([1]) * 32, bytes([2]) * 32
LINE = b'{"type":"data"}'


def make(send: bytes = ONE, receive: bytes = OTHER) -> Session:
    return Session(ID, NodeId("office"), send, receive, "run-1", 12.5)


def both() -> tuple[Session, Session]:
    return make(), make(OTHER, ONE)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_what_is_sealed_opens_at_the_other_end(line: bytes, plaintext: bytes) -> None:
    here, there = both()
    assert there.open(line, here.seal(line, plaintext)) == plaintext
    assert here.open(line, there.seal(line, plaintext)) == plaintext


def test_the_form_is_id_counter_and_gcm_with_the_counter_as_nonce() -> None:
    here, _ = both()
    here.seal(LINE, b"first")
    body = here.seal(LINE, b"second")
    assert body[:16] == ID + (1).to_bytes(8, "big")
    nonce = bytes(4) + (1).to_bytes(8, "big")
    assert AESGCM(ONE).decrypt(nonce, body[16:], LINE) == b"second"
    assert len(body) == len(b"second") + SEAL_OVERHEAD
    assert sealed_session_id(body) == ID


def test_a_body_opens_once() -> None:
    here, there = both()
    body = here.seal(LINE, b"pay 5")
    there.open(LINE, body)
    with pytest.raises(DecryptError) as caught:
        there.open(LINE, body)
    assert caught.value.reason == "replay"


def test_reordered_bodies_open() -> None:
    here, there = both()
    bodies = [here.seal(LINE, b"%d" % number) for number in range(WINDOW)]
    assert [there.open(LINE, body) for body in reversed(bodies)] == [
        b"%d" % number for number in reversed(range(WINDOW))
    ]


def test_a_body_older_than_the_window_is_a_replay() -> None:
    here, there = both()
    bodies = [here.seal(LINE, b"") for _ in range(WINDOW + 1)]
    there.open(LINE, bodies[-1])
    with pytest.raises(DecryptError) as caught:
        there.open(LINE, bodies[0])
    assert caught.value.reason == "replay"
    assert there.open(LINE, bodies[1]) == b""


@given(st.data())
def test_any_changed_bit_is_forged_or_a_replay_and_costs_nothing(data: st.DataObject) -> None:
    here, there = both()
    body = here.seal(LINE, b"payload")
    changed = bytearray(body)
    # The id only says which session to ask; from the counter on, all is authenticated.
    changed[data.draw(st.integers(8, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecryptError) as caught:
        there.open(LINE, bytes(changed))
    assert caught.value.reason == "forged"
    assert there.open(LINE, body) == b"payload"


def test_another_line_is_forged() -> None:
    here, there = both()
    body = here.seal(LINE, b"payload")
    with pytest.raises(DecryptError) as caught:
        there.open(LINE + b" ", body)
    assert caught.value.reason == "forged"


def test_a_body_sent_back_to_its_sender_is_forged() -> None:
    here, _ = both()
    with pytest.raises(DecryptError) as caught:
        here.open(LINE, here.seal(LINE, b"payload"))
    assert caught.value.reason == "forged"


def test_a_short_body_is_named_so() -> None:
    _, there = both()
    for attempt in (lambda body: there.open(LINE, body), sealed_session_id):
        with pytest.raises(DecryptError) as caught:
            attempt(bytes(SEAL_OVERHEAD - 1))
        assert caught.value.reason == "short"


def test_a_session_is_used_up_before_its_counters_are() -> None:
    here, there = both()
    here._counter = COUNTER_LIMIT - 1
    assert there.open(LINE, here.seal(LINE, b"last")) == b"last"
    with pytest.raises(LocalProtocolError, match="used up"):
        here.seal(LINE, b"one more")
    assert here.sealed == COUNTER_LIMIT


def test_an_id_has_eight_bytes() -> None:
    with pytest.raises(LocalProtocolError):
        Session(b"short", NodeId("office"), ONE, OTHER, "run-1", 0.0)


def test_repr_shows_the_state_and_no_key() -> None:
    here, _ = both()
    here.seal(LINE, b"")
    assert repr(here) == "<Session 73657373696f6e31 with office, 1 sealed, highest opened -1>"
    assert repr(here.window) == "<ReplayWindow highest -1, 0 missing>"


counters = st.one_of(
    st.integers(0, 40),
    st.integers(0, 3 * WINDOW),
    st.integers(0, 2**60),
)


@given(st.lists(counters, max_size=60))
def test_the_window_agrees_with_a_set_of_all_that_came(arrivals: list[int]) -> None:
    window = ReplayWindow()
    seen: set[int] = set()
    for counter in arrivals:
        fresh = counter not in seen and counter > max(seen, default=-1) - WINDOW
        assert window.is_fresh(counter) == fresh
        if fresh:
            window.add(counter)
            seen.add(counter)
            assert not window.is_fresh(counter)
        assert window.highest == max(seen)
    for counter in range(max(0, window.highest - WINDOW - 2), window.highest + 2):
        expected = counter not in seen and counter > window.highest - WINDOW
        assert window.is_fresh(counter) == expected


@given(st.permutations(range(40)), st.integers(0, WINDOW - 41))
def test_any_order_within_the_window_is_taken_exactly_once(order: list[int], base: int) -> None:
    window = ReplayWindow()
    for counter in order:
        assert window.is_fresh(base + counter)
        window.add(base + counter)
    assert not any(window.is_fresh(base + counter) for counter in range(40))


def test_the_window_stays_small_however_far_it_jumps() -> None:
    window = ReplayWindow()
    for counter in range(0, 10 * WINDOW, 3):
        window.add(counter)
    window.add(2**60)
    assert window._missing.bit_length() <= WINDOW
    assert not window.is_fresh(2**60 - WINDOW)
    assert window.is_fresh(2**60 - WINDOW + 1)


@given(st.permutations(range(40)), st.integers(0, 39), st.integers(0, 39))
def test_what_is_closed_comes_no_more_and_the_rest_does(
    order: list[int], arrived: int, upto: int
) -> None:
    window = ReplayWindow()
    for counter in order[:arrived]:
        window.add(counter)
    closed = min(upto, window.highest)
    window.close(closed)
    fresh = {counter for counter in range(41) if window.is_fresh(counter)}
    assert fresh == {c for c in range(41) if c > closed and c not in order[:arrived]}


def test_a_body_that_is_held_back_for_too_long_opens_no_more() -> None:
    one, other = both()
    held, late, *rest = [one.seal(LINE, b"body") for _ in range(5)]
    other.open(LINE, rest[0])
    other.tick(other.created + LATE)
    assert other.open(LINE, late) == b"body"  # not so late
    other.tick(other.created + 2 * LATE - 1)
    other.open(LINE, rest[1])
    other.tick(other.created + 2 * LATE)
    with pytest.raises(DecryptError) as raised:
        other.open(LINE, held)
    assert raised.value.reason == "replay"
    assert other.open(LINE, rest[2]) == b"body"


def test_a_body_that_nothing_came_after_is_never_late() -> None:
    one, other = both()
    first, last = one.seal(LINE, b"first"), one.seal(LINE, b"last")
    other.open(LINE, first)
    for number in range(10):
        other.tick(other.created + number * LATE)
    assert other.open(LINE, last) == b"last"


def test_a_frame_is_sealed_behind_its_header() -> None:
    here, there = both()
    header = Header(
        type="hello", id="", source=NodeId("a"), to=NodeId("b"), timestamp=1, body="sealed"
    )
    found, wire = read_frame(here.seal_frame(header, b"plain"))
    assert found == header
    assert there.open(wire.line, wire.body) == b"plain"
