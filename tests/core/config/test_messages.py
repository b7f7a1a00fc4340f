"""What is said of mistakes in a table that several classes read."""

from __future__ import annotations

from clawmatrix_core.config.messages import Problem, shared_problems, without


def test_a_key_is_unknown_to_all_or_not_at_all() -> None:
    unknown = Problem(("home", "agents"), "unknown key", ("tools",))
    wrong = Problem(("home", "tools"), "expected a list")
    both = Problem(("x",), "unknown key", ("tools",))
    other = Problem(("x",), "unknown key", ("agents",))
    assert shared_problems([[unknown, wrong, both], [other]]) == [
        wrong,
        Problem(("x",), "unknown key", ("tools", "agents")),
    ]
    assert shared_problems([[unknown], []]) == []


def test_keys_can_be_taken_out_by_their_paths() -> None:
    value = {"a": [{"b": 1, "c": 2}], "d": {"e": 3}}
    assert without(value, {("a", 0, "b"), ("d", "e")}) == {"a": [{"c": 2}], "d": {}}
