"""Who was first to offer ids with a first part: bounded, whoever fills it."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.claims import CLAIMS_BY_ONE, CLAIMS_MOST, Claims

HOME, LAB, MALLORY = NodeId("home"), NodeId("lab"), NodeId("mallory")


def full() -> Claims:
    """Return claims in which there is no place, by many members."""
    stored = {f"p{n}": NodeId(f"n{n // CLAIMS_BY_ONE}") for n in range(CLAIMS_MOST)}
    return Claims(HOME, stored)


@pytest.mark.bound("clawmatrix_model_proxy.asking.claims.CLAIMS_BY_ONE")
def test_one_member_has_its_share_and_no_more() -> None:
    claims = Claims(HOME, {})
    parts = [f"p{number}" for number in range(CLAIMS_BY_ONE + 1)]
    put = [claims.put(part, MALLORY, []) for part in parts]
    assert put == [True] * CLAIMS_BY_ONE + [False]
    assert claims.put("lab-s", LAB, [])
    assert claims.get(parts[-1]) is None
    assert claims.put(parts[-1], HOME, [])


@pytest.mark.bound("clawmatrix_model_proxy.asking.claims.CLAIMS_MOST")
def test_one_too_many_takes_the_place_of_one_that_can_give_way() -> None:
    claims = full()
    spare = ["p8", "p7", "gone"]
    assert not claims.put("new", LAB, [])
    assert (len(claims), claims.get("new")) == (CLAIMS_MOST, None)
    assert claims.put("new", LAB, spare)
    assert (len(claims), claims.get("new"), claims.get("p7")) == (CLAIMS_MOST, LAB, None)
    assert spare == ["p8"]


def test_this_nodes_own_always_have_a_place() -> None:
    claims = full()
    assert claims.put("mine", HOME, [])
    assert claims.get("mine") == HOME


def test_a_claim_that_changes_hands_counts_once() -> None:
    claims = Claims(HOME, {"a": LAB})
    for by in (MALLORY, LAB, MALLORY):
        assert claims.put("a", by, [])
    assert claims.all() == {"a": MALLORY}
    claims.drop("a")
    claims.drop("a")
    assert len(claims) == 0
