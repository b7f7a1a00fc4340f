"""What only its maker reads comes back to it, whichever client kept it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.neutral.sealed import (
    mark,
    sealed_id,
    unmark,
    unsealed_id,
    without_seals,
)

makers = st.from_regex(r"[a-z-]+(:[a-z-]+)?", fullmatch=True)
seals = st.text(min_size=1)
UNREAD = [
    "call__clawmatrix_A",
    "call__clawmatrix_\u00e9",
    "call__clawmatrix__w",
    "call__clawmatrix_",
    "x__clawmatrix_y",
    "job__clawmatrix_ not base64 at all !!",
    "call__clawmatrix_bm9kb3Q",  # nodot
    "call__clawmatrix_Z29vZ2xlLg",  # google.
    "call__clawmatrix_LnNlYWw",  # .seal
    "call__clawmatrix_YSBiLnNlYWw",  # a b.seal
    "call__clawmatrix_Z29vZ2xlLnNlYWx",  # more than the seal of google.seal
]
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
    for kept in UNREAD:
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


@pytest.mark.parametrize("field", ["id", "call_id", "tool_call_id", "tool_use_id"])
def test_only_members_that_name_a_call_lose_a_seal(field: str) -> None:
    kept = sealed_id("call_1", "the seal", "google")
    quoted = json.dumps(json.dumps({field: kept}))
    sent = f'{{"{field}" : "{kept}","content":"{kept}","name":"{kept}","said":{quoted}}}'
    expected = f'{{"{field}" : "call_1","content":"{kept}","name":"{kept}","said":{quoted}}}'
    assert without_seals(sent.encode()) == expected.encode()


@pytest.mark.parametrize("kept", UNREAD)
def test_a_request_keeps_an_id_whose_seal_cannot_be_read(kept: str) -> None:
    body = json.dumps({"id": kept, "content": f"my variable is called {kept}"}).encode()
    assert without_seals(body) == body


@given(st.recursive(st.text('_clawmtrix\\"id:{}', max_size=30), st.lists, max_leaves=5))
def test_the_words_of_a_client_are_never_changed(words: object) -> None:
    kept = sealed_id("c", "s", "google")
    body = json.dumps({"content": words, "more": f'"id":"{kept}"', "id": "__clawmatrix_"}).encode()
    assert without_seals(body) == body
