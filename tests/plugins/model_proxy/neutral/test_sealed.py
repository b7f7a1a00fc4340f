"""What only its maker reads comes back to it, whichever client kept it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.neutral.sealed import (
    mark,
    sealed_id,
    unmark,
    unsealed_id,
    without_seals,
)

makers = st.text("abcdefgh:-", min_size=1)
seals = st.text(min_size=1)
ids = st.text("abcXYZ012_-", min_size=1)


@given(ids, seals, makers)
def test_an_id_carries_a_seal_and_gives_it_back(call_id: str, seal: str, maker: str) -> None:
    kept = sealed_id(call_id, seal, maker)
    assert unsealed_id(kept) == (call_id, seal, maker)
    assert set(kept) - set(call_id) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    )


@given(ids)
def test_an_id_without_a_seal_is_left_as_it_is(call_id: str) -> None:
    assert sealed_id(call_id, "", "") == call_id
    assert unsealed_id(call_id) == (call_id, "", "")


def test_an_id_whose_seal_cannot_be_read_is_left_as_it_is() -> None:
    for kept in ("call__clawmatrix_A", "call__clawmatrix_\u00e9", "call__clawmatrix__w"):
        assert unsealed_id(kept) == (kept, "", "")


@given(seals, makers)
def test_a_mark_says_whose_a_thought_is(seal: str, maker: str) -> None:
    assert unmark(mark(seal, maker, "messages"), "messages") == (seal, maker)
    assert unmark("clawmatrix.", "messages") == ("clawmatrix.", "messages")


@given(ids, seals, makers)
def test_a_request_that_is_not_converted_has_no_seal_in_its_ids(
    call_id: str, seal: str, maker: str
) -> None:
    kept = sealed_id(call_id, seal, maker)
    body = f'{{"id":"{kept}","content":"__clawmatrix_ is a mark"}}'.encode()
    assert (
        without_seals(body) == f'{{"id":"{call_id}","content":"__clawmatrix_ is a mark"}}'.encode()
    )
    assert without_seals(b'{"id":"a"}') == b'{"id":"a"}'
