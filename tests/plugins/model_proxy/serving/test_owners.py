"""Whose responses are whose: bounded, by keys, and the same after a restart."""

from __future__ import annotations

import msgspec
import pytest

from clawmatrix_model_proxy.serving.owners import ID_LIMIT, OWNED, OwnedIds, Owners, Place

HOME, OTHER = b"h" * 32, b"o" * 32
HERE, THERE = Place("m", "http://one/v1"), Place("m", "http://two/v1")


def test_each_key_has_ids_of_its_own() -> None:
    owners = Owners()
    owners.note(HOME, HERE, ["resp_1", "msg_1"])
    assert owners.find(HOME, "msg_1") == HERE
    assert owners.find(OTHER, "resp_1") is None
    owners.note(OTHER, THERE, ["resp_1"])
    assert owners.find(HOME, "resp_1") == HERE
    owners.forget(OTHER, "resp_1")
    assert owners.find(OTHER, "resp_1") is None
    owners.forget(b"nobody", "resp_1")
    assert (owners.find(HOME, "resp_1"), len(owners)) == (HERE, 2)


@pytest.mark.bound("clawmatrix_model_proxy.serving.owners.OWNED")
def test_who_is_given_many_has_its_own_oldest_forgotten() -> None:
    owners = Owners()
    owners.note(HOME, HERE, ["mine"])
    for number in range(OWNED + 10):
        owners.note(OTHER, HERE, [f"resp_{number}"])
    assert len(owners) == OWNED
    assert owners.find(HOME, "mine") == HERE
    assert owners.find(OTHER, "resp_10") is None
    assert owners.find(OTHER, f"resp_{OWNED + 9}") == HERE


def test_ids_that_are_none_are_not_kept() -> None:
    owners = Owners(limit=1)
    owners.note(HOME, HERE, ["", "x" * (ID_LIMIT + 1)])
    assert len(owners) == 0
    owners.note(HOME, HERE, ["a"])
    owners.note(OTHER, HERE, ["b"])
    assert len(owners) == 1


def test_what_is_stored_is_taken_over() -> None:
    owners, again = Owners(), Owners()
    owners.note(HOME, HERE, ["resp_1", "msg_1"])
    owners.note(HOME, THERE, ["resp_2"])
    owners.note(OTHER, HERE, ["resp_1"])
    stored = msgspec.to_builtins(owners.to_state())
    again.restore(msgspec.convert(stored, list[OwnedIds]))
    assert again.to_state() == owners.to_state()
    assert again.find(HOME, "resp_2") == THERE
