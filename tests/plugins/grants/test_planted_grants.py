"""The tests of the grants bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.members.known_keys import KnownKeys
from clawmatrix_grants import policy, rules
from clawmatrix_grants.conditions import Each, Text
from clawmatrix_grants.keys import Keys
from clawmatrix_grants.policy import Policy
from clawmatrix_grants.question import Decision
from clawmatrix_grants.rules import CompiledRule
from clawmatrix_grants.table import GrantTable, _nothing
from tests.plugins.grants import test_keys, test_policy, test_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_grants.conditions import Predicate, Predicates
    from clawmatrix_grants.question import Question
    from clawmatrix_grants.rules import RuleFor

pytestmark = pytest.mark.anyio


def an_empty_list_is_all(
    self: GrantTable, action: Any, target: str, honest: Any = GrantTable.naming
) -> Any:
    """Take a list with nothing in it for one with all in it."""
    found = honest(self, action, target)
    for rule in self.rules:
        if not rule.globs and rule.action == action:
            entry = (rule, rule.until, ())
            found = [*found, {**_nothing(), rule.effect: [entry]}]
    return found


def first_match_wins(self: Policy, question: Question) -> Decision:
    """Take the first rule that matches, whatever the others say."""
    for one in self.explain(question):
        if one.matched:
            return Decision(one.effect, one.rule, one.why)
    return Decision(None if question.action == "model" else "deny", "grants", "")


def grant_by_tag(
    self: Policy, question: Question, honest: Any = Policy._tables
) -> list[tuple[GrantTable, str | None]]:
    """Count a group for whoever calls itself by its name, as a tag would."""
    return [
        *honest(self, question),
        *(
            (table, None)
            for tables in self._nodes.values()
            for table in tables
            if table.name in (question.peer, f"@{question.peer}")
        ),
    ]


def a_missing_argument_is_a_match(
    applying: Sequence[RuleFor],
    arguments: Mapping[str, JSON] | None,
    now: float,
    honest: Any = rules.first_applying,
) -> CompiledRule | None:
    """Leave out the conditions on arguments that are not there."""
    there = {} if arguments is None else arguments
    kept = [
        (rule, until, tuple((name, test) for name, test in tests if name in there))
        for rule, until, tests in applying
    ]
    found: CompiledRule | None = honest(kept if arguments is not None else applying, arguments, now)
    return found


def a_missing_argument_spares_a_deny(
    self: CompiledRule,
    target: str,
    made: Predicates,
    *,
    in_doubt: bool = False,
    honest: Any = CompiledRule.for_target,
) -> RuleFor:
    """Let a deny apply where its condition surely holds, and nowhere else."""
    _, until, _ = honest(self, target, made)
    tests = tuple((name, made.of(name, one, sure=True)) for name, one in self.matchers_for(target))
    return self, until, tests


def an_ask_in_doubt_is_none(
    self: CompiledRule,
    target: str,
    made: Predicates,
    *,
    in_doubt: bool = False,
    honest: Any = CompiledRule.for_target,
) -> RuleFor:
    """Let an ask beat an allow where its condition surely holds, and nowhere else."""
    found: RuleFor = honest(self, target, made)
    return found


def past_keys_count(self: KnownKeys, node_id: NodeId, old: str, new: str) -> bool:
    """Follow every change that the record of a name tells of."""
    keys = [key_text(key) for key in self.keys(node_id)]
    return keys[:1] == [new] and old in keys


def look_the_key_up(
    self: Keys, peer: str, key: str | None, granted: str | None, honest: Any = Keys.why_not
) -> str | None:
    """Take the key that the name has for the one that was shown."""
    keys = self._known.keys(NodeId(peer))  # type: ignore[attr-defined]
    found: str | None = honest(self, peer, key_text(keys[0]) if keys else key, granted)
    return found


def all_levels_are_sure(self: KnownKeys, node_id: NodeId, key: str | bytes) -> str:
    """Take each key for an accepted one."""
    return "accepted"


def nothing_is_barred(self: Keys, peer: str, key: str | None) -> str | None:
    """Ask nobody whether a key was revoked, or retired."""
    return None


def an_ended_rule_goes_on(
    applying: Sequence[RuleFor],
    arguments: Mapping[str, JSON] | None,
    now: float,
    honest: Any = rules.first_applying,
) -> CompiledRule | None:
    """Look at no clock."""
    found: CompiledRule | None = honest(applying, arguments, float("-inf"))
    return found


def a_list_may_go_on(self: Each, *, sure: bool, honest: Any = Each.predicate) -> Predicate:
    """Let more follow where no rest was written."""
    found: Predicate = honest(attrs.evolve(self, rest=True), sure=sure)
    return found


def part_of_a_text_is_enough(self: Text, *, sure: bool) -> Predicate:
    """Compare the beginning of a text alone."""
    return lambda value: isinstance(value, str) and value.startswith(self.glob.prefix)


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: Callable[..., Any]
    caught_by: tuple[Callable[..., Any], ...]


def level(word: str) -> Callable[..., Any]:
    test = test_keys.test_without_a_key_a_grant_counts_for_a_key_that_is_known_surely
    return lambda: test(word)


PLANTS = {
    "an empty allow means all": Plant(
        GrantTable,
        "naming",
        an_empty_list_is_all,
        (
            test_policy.test_an_empty_list_allows_nothing,
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
    "the first match wins": Plant(
        Policy,
        "decide",
        first_match_wins,
        (
            lambda: test_policy.test_the_strictest_rule_decides_in_any_order(
                ("allow", "deny"), "deny"
            ),
            test_policy.test_a_rule_for_fewer_calls_does_not_beat_one_for_all,
            test_properties.test_any_order_of_tables_and_rules_decides_alike,
        ),
    ),
    "a group is granted by its name": Plant(
        Policy,
        "_tables",
        grant_by_tag,
        (
            test_keys.test_a_tag_or_a_name_that_looks_alike_grants_nothing,
            test_policy.test_nobody_gets_the_grant_of_a_group_by_its_name,
        ),
    ),
    "a missing argument satisfies an allow": Plant(
        policy,
        "first_applying",
        a_missing_argument_is_a_match,
        (
            test_policy.test_a_missing_argument_satisfies_no_allow_and_no_ask_but_a_deny,
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
    "a missing argument spares a deny": Plant(
        CompiledRule,
        "for_target",
        a_missing_argument_spares_a_deny,
        (
            test_policy.test_a_missing_argument_satisfies_no_allow_and_no_ask_but_a_deny,
            lambda: test_policy.test_a_condition_that_cannot_be_told_counts_against_the_caller(
                *test_policy.UNTOLD[0]
            ),
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
    "an ask in doubt is none": Plant(
        CompiledRule,
        "for_target",
        an_ask_in_doubt_is_none,
        (
            test_policy.test_a_missing_argument_satisfies_no_allow_and_no_ask_but_a_deny,
            lambda: test_policy.test_an_ask_that_cannot_be_told_beats_an_allow("code/**", [None]),
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
    "the past keys of a record satisfy a grant": Plant(
        KnownKeys,
        "followed",
        past_keys_count,
        (test_keys.test_a_change_of_which_this_node_only_heard_is_not_followed,),
    ),
    "the key is looked up by name": Plant(
        Keys,
        "why_not",
        look_the_key_up,
        (
            lambda: test_keys.test_with_a_key_a_grant_counts_for_that_key_however_it_is_known(
                "linked"
            ),
            level("accepted"),
        ),
    ),
    "each key is known surely": Plant(
        KnownKeys, "how_known", all_levels_are_sure, (level("linked"), level("hearsay"))
    ),
    "no key is barred": Plant(
        Keys,
        "barred",
        nothing_is_barred,
        (
            lambda: test_keys.test_a_revoked_key_gets_nothing_at_all("model"),
            lambda: test_keys.test_a_retired_key_gets_nothing_at_all("workspace"),
        ),
    ),
    "a rule goes on after its time": Plant(
        policy,
        "first_applying",
        an_ended_rule_goes_on,
        (
            test_policy.test_a_rule_decides_until_its_time_and_not_at_it,
            test_properties.test_a_rule_that_has_ended_decides_nothing,
        ),
    ),
    "a list may go on": Plant(
        Each,
        "predicate",
        a_list_may_go_on,
        (
            lambda: test_policy.test_a_condition_is_met_or_not(["make"], [], [["make", "x"]]),
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
    "the beginning of a text is enough": Plant(
        Text,
        "predicate",
        part_of_a_text_is_enough,
        (
            lambda: test_policy.test_a_condition_is_met_or_not("code/*", [], ["code/a/b"]),
            test_properties.test_an_evaluator_written_apart_decides_alike,
        ),
    ),
}


async def fails(check: Callable[..., Any]) -> bool:
    """Say whether a test fails."""
    try:
        done = check()
        if inspect.isawaitable(done):
            await done
    except (AssertionError, BaseExceptionGroup):
        return True
    return False


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
async def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in plant.caught_by:
        with monkeypatch.context() as planted:
            planted.setattr(plant.owner, plant.name, plant.bug)
            assert await fails(check), inspect.getsource(check)
