"""What the answers of several plugins come to."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Any, cast

import pytest

from clawmatrix_core.base.answers import Answer
from clawmatrix_core.base.faults import Fault
from clawmatrix_core.base.node_id import is_node_id
from clawmatrix_core.policy.record import HEAD_LIMIT, AuditRecord, Receipt
from clawmatrix_core.policy.verdict import LOCAL, Verdict, combine

if TYPE_CHECKING:
    from clawmatrix_core.policy.verdict import Action, Effect

ALLOW, ASK, DENY = Verdict("allow"), Verdict("ask"), Verdict("deny")
OTHERS: tuple[Action, ...] = ("tool", "agent", "workspace", "resource")


def answers(*values: Verdict | None) -> list[Answer[Verdict]]:
    return [Answer(f"p{place}", value) for place, value in enumerate(values)]


def failed(plugin: str) -> Answer[Verdict]:
    return Answer(plugin, fault=Fault(plugin, "authorize", LookupError("no rules")))


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ((ALLOW,), "allow"),
        ((ALLOW, None), "allow"),
        ((ALLOW, ASK), "ask"),
        ((ASK, DENY), "deny"),
        ((ALLOW, ASK, DENY), "deny"),
        ((None, ALLOW, DENY), "deny"),
    ],
)
def test_a_deny_beats_an_ask_and_an_ask_an_allow_in_any_order(
    given: tuple[Verdict | None, ...], effect: Effect
) -> None:
    for order in permutations(given):
        assert combine(answers(*order), "tool").effect == effect


def test_one_more_answer_never_permits_more() -> None:
    rank = {"deny": 0, "ask": 1, "allow": 2}
    for first, second, third in product((ALLOW, ASK, DENY), repeat=3):
        fewer, more = (
            combine(answers(first, second), "tool"),
            combine(answers(first, second, third), "tool"),
        )
        assert rank[more.effect] <= rank[fewer.effect]


def test_the_answer_has_its_plugin_and_its_rule() -> None:
    told = Verdict("deny", "home sends no letters", "grants.home.rules[2]", "claims to be another")
    found = combine(answers(ALLOW, told, DENY), "tool")
    assert found == Verdict("deny", "home sends no letters", "grants.home.rules[2]", "p1")


@pytest.mark.parametrize("action", ["model", *OTHERS])
def test_a_plugin_that_failed_denies_and_is_named(action: Action) -> None:
    for given in ([failed("rules"), *answers(ALLOW)], [*answers(ALLOW), failed("rules")]):
        found = combine(given, action)
        assert (found.effect, found.plugin) == ("deny", "rules")
        assert "rules" in found.reason
        assert "no rules" in found.reason


@pytest.mark.parametrize("nobody", [[], answers(None), answers(None, None)])
def test_where_nobody_answers_models_are_allowed_and_nothing_else(
    nobody: list[Answer[Verdict]],
) -> None:
    assert combine(nobody, "model").effect == "allow"
    assert [combine(nobody, action).effect for action in OTHERS] == ["deny"] * len(OTHERS)
    assert combine(nobody, "tool").plugin == ""


@pytest.mark.parametrize("word", ["Allow", "yes", "", None, True])
def test_there_is_no_fourth_effect(word: object) -> None:
    with pytest.raises(ValueError, match="effect"):
        Verdict(cast("Any", word))


@pytest.mark.parametrize("field", ["reason", "rule", "plugin"])
def test_words_are_text(field: str) -> None:
    with pytest.raises(TypeError, match=field):
        Verdict("allow", **cast("Any", {field: None}))


def test_no_node_has_the_name_of_the_local_clients() -> None:
    assert not is_node_id(LOCAL)


# --- records and receipts


def test_the_head_of_a_receipt_is_short() -> None:
    assert Receipt(b"x" * HEAD_LIMIT).head == b"x" * HEAD_LIMIT
    with pytest.raises(ValueError, match="head"):
        Receipt(b"x" * (HEAD_LIMIT + 1))
    with pytest.raises(TypeError, match="head"):
        Receipt(cast("Any", "text"))


def test_a_record_shows_no_arguments() -> None:
    record = AuditRecord(
        event="begin",
        id="1",
        peer=LOCAL,
        key=None,
        action="tool",
        target="exec",
        arguments={"password": "hunter2"},
    )
    assert "hunter2" not in repr(record)
