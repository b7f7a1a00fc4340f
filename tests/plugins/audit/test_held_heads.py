"""The heads of others: which are kept, and that nobody fills the store."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from clawmatrix_audit.asking import ANSWERS
from clawmatrix_audit.head import HEAD, Head
from clawmatrix_audit.held_heads import CHAINS, HEADS, KEYS, HeldHeads
from clawmatrix_core import NodeId
from clawmatrix_core.members.identity import Identity

if TYPE_CHECKING:
    from clawmatrix_core import JSON

OWNER = Identity.generate()


def signed(n: int = 1, chain: str = "c", by: Identity = OWNER, digest: str = "d" * 64) -> bytes:
    head = Head(chain, NodeId("office"), n, digest, "2027-01-15T08:00:00.000Z")
    return head.signed(by.sign).encode()


def store() -> HeldHeads:
    return HeldHeads(None, lambda _: None)


def test_a_head_comes_back_as_it_was_sent() -> None:
    head = Head.decode(signed(3))
    assert (head.n, head.chain, head.node) == (3, "c", "office")
    assert head.is_signed_by(OWNER.sign_public)
    assert head.encode() == signed(3)
    assert len(signed(10**15, "c" * 32)) < HEAD


@pytest.mark.parametrize("field", ["chain", "node", "n", "hash", "at"])
def test_each_field_of_a_head_is_signed(field: str) -> None:
    told = json.loads(signed(3))
    told[field] = 4 if field == "n" else "other"
    assert not Head.decode(json.dumps(told).encode()).is_signed_by(OWNER.sign_public)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", signed()[:-2], signed() + b" " * 999])
def test_what_is_no_head_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"head|bytes"):
        store().keep(OWNER.sign_public, data)


def test_heads_outlive_the_process_and_are_found_by_key_and_by_chain() -> None:
    kept: list[JSON] = []
    held = HeldHeads(None, kept.append)
    later = Identity.generate()
    held.keep(OWNER.sign_public, signed(1))
    held.keep(OWNER.sign_public, signed(1))
    held.keep(later.sign_public, signed(5, by=later))
    held.keep(later.sign_public, signed(2, "other", by=later))
    assert len(kept) == 3  # the second one was there
    again = HeldHeads(kept[-1], kept.append)
    assert [head.n for head in again.of(OWNER.sign_public, "c")] == [1, 5]
    assert [head.n for head in again.of(OWNER.sign_public, "?")] == [1]
    assert [head.n for head in again.of(later.sign_public, "?")] == [5, 2]
    assert again.of(bytes(32), "?") == []


def test_two_heads_of_one_line_are_both_kept() -> None:
    held = store()
    held.keep(OWNER.sign_public, signed(7))
    held.keep(OWNER.sign_public, signed(7, digest="e" * 64))
    assert len(held.of(OWNER.sign_public, "c")) == 2


@pytest.mark.bound("clawmatrix_audit.held_heads.HEADS", "clawmatrix_audit.asking.ANSWERS")
def test_of_many_heads_the_first_the_newest_and_some_between_stay() -> None:
    held = store()
    for n in range(1, 1000):
        held.keep(OWNER.sign_public, signed(n))
        numbers = [head.n for head in held.of(OWNER.sign_public, "c")]
        assert len(numbers) <= HEADS
        assert (numbers[0], numbers[-1]) == (1, n)
    assert max(b - a for a, b in pairwise(numbers)) < 400
    assert CHAINS * HEADS < ANSWERS


@pytest.mark.bound("clawmatrix_audit.held_heads.CHAINS")
def test_a_node_that_begins_new_chains_does_not_push_out_its_first() -> None:
    held = store()
    for n in range(20):
        held.keep(OWNER.sign_public, signed(1, f"chain{n}"))
    chains = [head.chain for head in held.of(OWNER.sign_public, "?")]
    assert chains == ["chain0", "chain1", "chain2", "chain19"]


@pytest.mark.bound("clawmatrix_audit.held_heads.KEYS")
def test_the_key_that_was_not_heard_for_longest_goes() -> None:
    held = store()
    first = OWNER.sign_public
    others = [Identity.generate() for _ in range(KEYS)]
    held.keep(first, signed(1))
    for other in others[:-1]:
        held.keep(other.sign_public, signed(1, by=other))
    held.keep(first, signed(2))
    held.keep(others[-1].sign_public, signed(1, by=others[-1]))
    assert len(held.of(first, "?")) == 2
    assert held.of(others[0].sign_public, "?") == []
    assert len({id(head) for head in held}) == KEYS + 1
