"""Bytes that many hold together."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.byte_budget import BudgetExceeded, ByteBudget, HeldBytes


class Held:
    """Holds bytes of a budget, and remembers what was given up."""

    def __init__(self, most: int) -> None:
        self.budget = ByteBudget(most)
        self.given_up: list[str] = []

    def hold(self, owner: str, name: str, size: int) -> HeldBytes:
        held = self.budget.hold(owner, lambda: self.given_up.append(name))
        held.add(size)
        return held


def test_bytes_are_counted_until_they_are_let_go() -> None:
    budget = ByteBudget(100)
    with budget.hold("a", lambda: None) as held:
        held.add(10)
        held.add(20)
        held.finish()
        assert (held.size, budget.held) == (30, 30)
        assert repr(budget) == "<ByteBudget 30 of 100 bytes>"
    assert budget.held == 0


def test_beyond_it_the_owner_of_the_most_gives_up_what_brought_nothing_for_longest() -> None:
    held = Held(100)
    first = held.hold("busy", "first", 20)
    held.hold("busy", "second", 20)
    held.hold("friend", "friendly", 30)
    held.hold("third", "another", 25)
    first.add(1)
    held.hold("newcomer", "new", 10)
    assert held.given_up == ["second"]
    assert held.budget.held == 86


def test_an_owner_has_no_more_than_half_and_makes_room_for_its_own() -> None:
    held = Held(100)
    first = held.hold("busy", "first", 30)
    held.hold("busy", "second", 20)
    held.hold("busy", "third", 25)
    assert held.given_up == ["first"]
    assert (first.size, held.budget.held) == (0, 45)
    with pytest.raises(BudgetExceeded):
        first.add(1)


def test_what_is_whole_is_given_up_for_nobody() -> None:
    held = Held(100)
    for owner in ("a", "b"):
        held.hold(owner, owner, 50).finish()
    with pytest.raises(BudgetExceeded):
        held.hold("c", "c", 1)
    assert held.given_up == []


def test_one_that_is_too_large_for_its_owner_is_refused_and_lets_go() -> None:
    held = Held(100)
    with held.budget.hold("a", lambda: None) as large:
        large.add(40)
        with pytest.raises(BudgetExceeded):
            large.add(20)
    assert held.budget.held == 0


def test_any_number_that_never_end_hold_no_more_than_it_and_keep_nobody_out() -> None:
    held = Held(1000)
    for number in range(500):
        held.hold(f"owner {number % 50}", "endless", 30)
        assert held.budget.held <= 1000
    held.hold("friend", "friendly", 100).finish()
    assert "friendly" not in held.given_up
