"""What holds for all tables and all questions."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_grants.policy import Policy, Question
from tests.plugins.grants import naive, random_policies
from tests.plugins.grants.helpers import KEY, NOW, Wall, accepted, policy, read, store

if TYPE_CHECKING:
    from typing import Any

    from clawmatrix_core.members.trust import TrustStore
    from tests.plugins.grants.random_policies import Asked, Table

RANK = {"deny": 0, None: 1, "ask": 2, "allow": 3}
"""How much is permitted; None leaves a model to others."""


def linked() -> TrustStore:
    """Return a store that knows the names over links of its own: no proof of a name."""
    trust = store()
    for name in ("home", "ci1"):
        trust.check(NodeId(name), KEY.sign_public, proven=True, now=NOW)
    return trust


KNOWN, LINKED = accepted("home", "ci1"), linked()

randoms = st.integers(0, 2**64 - 1).map(Random)
sizes = st.integers(0, 5)


def cases(examples: int) -> settings:
    """Return settings for so many seeds. A seed is not made smaller: that says nothing."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow],
    )


def question(told: Asked) -> Question:
    peer, action, target, arguments = told
    key = None if peer == "@local" else KEY.key_text
    return Question(peer, key, action, target, arguments)  # type: ignore[arg-type]


def made(random: Random, size: int) -> tuple[Table, list[Asked]]:
    """Return a table, and questions about it."""
    return random_policies.table(random, size), [random_policies.asked(random) for _ in range(15)]


def ranks(table: Table, questions: list[Asked]) -> list[int]:
    """Return how much a table permits of each question."""
    decides = policy(table, KNOWN)
    return [RANK[decides.decide(question(told)).effect] for told in questions]


def no_more(these: list[int], than: list[int]) -> bool:
    return all(one <= other for one, other in zip(these, than, strict=True))


def shuffled(table: Table, random: Random) -> Table:
    """Return a table with its rules, and the tables in it, in another order."""
    names = random.sample(list(table), len(table))
    return {
        name: {
            **table[name],
            "rules": random.sample(table[name]["rules"], len(table[name]["rules"])),
        }
        for name in names
    }


def with_rules(table: Table, name: str, rules: list[Any]) -> Table:
    return {**table, name: {**table.get(name, {}), "rules": rules}}


def compare_with_naive(random: Random, size: int) -> None:
    known = random.random() < 0.7
    table, questions = made(random, size)
    decides = policy(table, KNOWN if known else LINKED)
    for told in questions:
        peer, action, target, arguments = told
        counts = random_policies.sure(table, peer, known=known)
        expected = naive.decide(table, peer, counts, action, target, arguments, NOW)
        assert decides.decide(question(told)).effect == expected, (table, told)


@cases(2000)
@given(randoms, sizes)
def test_an_evaluator_written_apart_decides_alike(random: Random, size: int) -> None:
    compare_with_naive(random, size)


@pytest.mark.slow
@pytest.mark.timeout(600)
@cases(10_000)
@given(randoms, sizes)
def test_it_does_so_for_ten_thousand_policies(random: Random, size: int) -> None:
    compare_with_naive(random, size)


@cases(100)
@given(randoms, sizes)
def test_any_order_of_tables_and_rules_decides_alike(random: Random, size: int) -> None:
    table, questions = made(random, size)
    questions += [random_policies.asked(random) for _ in range(60)]
    found = ranks(table, questions)
    for _ in range(3):
        assert ranks(shuffled(table, random), questions) == found


@cases(100)
@given(randoms, sizes)
def test_one_more_deny_never_permits_more(random: Random, size: int) -> None:
    table, questions = made(random, size)
    rules = table.get("home", {}).get("rules", [])
    deny = random_policies.rule(random, effects=["deny"])
    more = with_rules(table, "home", [*rules, deny])
    assert no_more(ranks(more, questions), than=ranks(table, questions))


@cases(100)
@given(randoms, sizes)
def test_one_allow_less_never_permits_more(random: Random, size: int) -> None:
    table, questions = made(random, size)
    name = random.choice(list(table))
    allows = [rule for rule in table[name]["rules"] if "allow" in rule]
    gone = random.choice(allows) if allows else None
    less = with_rules(table, name, [rule for rule in table[name]["rules"] if rule is not gone])
    kind = random.choice(("tools", "models"))
    lists = {**less, name: {**less[name], kind: less[name].get(kind, [])[:-1]}}
    before = ranks(table, questions)
    assert no_more(ranks(less, questions), than=before)
    assert no_more(ranks(lists, questions), than=before)


@cases(100)
@given(randoms, sizes)
def test_a_rule_that_has_ended_decides_nothing(random: Random, size: int) -> None:
    table, questions = made(random, size)
    lasting = table
    for name, grant in table.items():
        left = [
            one for one in grant["rules"] if "until" not in one or one["until"].timestamp() > NOW
        ]
        lasting = with_rules(lasting, name, left)
    assert ranks(lasting, questions) == ranks(table, questions)


@cases(100)
@given(randoms, sizes)
def test_what_is_explained_is_what_is_decided(random: Random, size: int) -> None:
    table, questions = made(random, size)
    decides = policy(table, KNOWN)
    for told in questions:
        matched = [one for one in decides.explain(question(told)) if one.matched]
        decision = decides.decide(question(told))
        strictest = min((RANK[one.effect] for one in matched), default=None)
        if strictest is None:
            assert decision.rule == "grants"
        else:
            assert RANK[decision.effect] == strictest
            assert decision.rule in [one.rule for one in matched if RANK[one.effect] == strictest]


@cases(100)
@given(randoms, sizes)
def test_where_no_call_could_pass_none_does(random: Random, size: int) -> None:
    table, questions = made(random, size)
    could = ranks(table, [(*told[:3], None) for told in questions])
    found = ranks(table, questions)
    assert not [at for at, rank in enumerate(could) if rank < RANK["ask"] and found[at] > rank]


@cases(100)
@given(randoms, sizes)
def test_the_digest_changes_with_the_table_and_with_nothing_else(random: Random, size: int) -> None:
    table, _ = made(random, size)
    digest = policy(table).digest
    assert Policy(read(table), KNOWN, wall=Wall(0)).digest == digest
    name = random.choice(list(table))
    rules = [*table[name]["rules"], {"deny": ["new"], "kind": "models"}]
    assert policy(with_rules(table, name, rules)).digest != digest
