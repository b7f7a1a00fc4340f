"""What a table comes to: effects, conditions, times, groups, and who is meant by a name."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_grants.policy import Question
from tests.plugins.grants.helpers import KEY, NOW, Wall, accepted, ask, effect, policy

if TYPE_CHECKING:
    from clawmatrix_core.policy.verdict import Action

RUN: dict[str, Any] = {"words": ["make", "test"], "cwd": "code/src/a", "count": 3}


def rule(word: str, **when: Any) -> dict[str, Any]:
    return {word: ["run"], "when": when}


def home(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"home": {"rules": list(rules)}}


# --- what is not there is denied


@pytest.mark.parametrize("action", ["tool", "agent", "workspace", "resource"])
def test_nothing_is_allowed_that_no_rule_allows(action: Action) -> None:
    tables: list[dict[str, Any]] = [
        {},
        {"home": {}},
        {"home": {"tools": ["read"]}},
        {"office": {"tools": ["*"]}},
    ]
    for table in tables:
        found = ask(policy(table), "write", {}, action=action)
        assert (found.effect, found.rule) == ("deny", "grants")
        assert found.reason


def test_models_are_left_to_others_where_no_rule_names_them() -> None:
    table = {"home": {"tools": ["*"], "rules": [{"deny": ["secret*"], "kind": "models"}]}}
    assert effect(table, "qwen3", {}, action="model") is None
    assert effect(table, "secret-7b", {}, action="model") == "deny"
    assert effect({"home": {"models": ["qwen3"]}}, "qwen3", {}, action="model") == "allow"


def test_an_empty_list_allows_nothing() -> None:
    table: dict[str, Any] = {"home": {"tools": [], "rules": [{"allow": []}, {"ask": []}]}}
    assert effect(table, "read", {}) == "deny"


@pytest.mark.parametrize("kind", ["tools", "agents", "models", "workspaces", "resources"])
def test_each_kind_is_a_list_of_its_own(kind: str) -> None:
    actions: dict[str, Action] = {
        "tools": "tool",
        "agents": "agent",
        "models": "model",
        "workspaces": "workspace",
        "resources": "resource",
    }
    for table in ({"home": {kind: ["x"]}}, {"home": {"rules": [{"allow": ["x"], "kind": kind}]}}):
        allowed = [
            name for name in actions if effect(table, "x", {}, action=actions[name]) == "allow"
        ]
        assert allowed == [kind]


# --- deny beats ask beats allow


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("allow", "ask", "deny"), "deny"),
        (("allow", "ask"), "ask"),
        (("allow", "deny"), "deny"),
        (("allow", "allow"), "allow"),
    ],
)
def test_the_strictest_rule_decides_in_any_order(words: tuple[str, ...], expected: str) -> None:
    for order in permutations(words):
        assert effect(home(*(rule(word) for word in order)), "run", {}) == expected


def test_a_rule_for_fewer_calls_does_not_beat_one_for_all() -> None:
    table = home({"deny": ["*"]}, rule("allow", count=3), {"allow": ["run"]})
    assert effect(table, "run", RUN) == "deny"
    assert (
        effect({"home": {"tools": ["run"], "rules": [rule("ask", count=3)]}}, "run", RUN) == "ask"
    )


def test_the_rule_that_decides_is_named() -> None:
    table = {
        "home": {"tools": ["read"], "rules": [rule("allow"), rule("deny", count=4)]},
        "@ci": {"nodes": ["home"], "tools": ["list"]},
        "a.b": {"tools": ["read"]},
    }
    decides = policy(table, accepted("home", "a.b"))
    assert ask(decides, "read").rule == "grants.home.tools"
    assert ask(decides, "run", {}).rule == "grants.home.rules[1]"
    assert ask(decides, "run", RUN).rule == "grants.home.rules[0]"
    assert ask(decides, "list").rule == 'grants."@ci".tools'
    assert ask(decides, "read", peer="a.b").rule == 'grants."a.b".tools'


# --- conditions


@pytest.mark.parametrize(
    ("condition", "met", "unmet"),
    [
        ("code/src/**", ["code/src/a", "code/src"], ["code", "codes/src/a"]),
        ("code/*", ["code/src"], ["code/src/a"]),
        (
            ["make", "test"],
            [["make", "test"]],
            [["make"], ["make", "test", "x"], [], ["make", "x"]],
        ),
        (["make", ["test", "lint"]], [["make", "lint"]], [["make", "all"], ["test", "make"]]),
        (["make", "**"], [["make"], ["make", "a", "b"]], [["test"], []]),
        (["make", ["**"]], [["make", "a/b"]], [["make"], ["make", "a", "b"]]),
        (["**"], [[], ["a"]], []),
        ([], [[]], [["a"]]),
        ("**", ["", "a/b", 1, [], {}, False], []),
        (3, [3, 3.0], [4]),
        (True, [True], [False]),
        ({"mode": "r*"}, [{"mode": "ro", "more": 1}], [{"mode": "w"}]),
        ("", [""], ["x"]),
    ],
)
def test_a_condition_is_met_or_not(condition: Any, met: list[Any], unmet: list[Any]) -> None:
    for word, other in (("allow", "deny"), ("ask", "deny"), ("deny", "allow")):
        table = {
            "home": {"tools": [] if word != "deny" else ["run"], "rules": [rule(word, x=condition)]}
        }
        assert {effect(table, "run", {"x": value}) for value in met} <= {word}, word
        assert {effect(table, "run", {"x": value}) for value in unmet} <= {other}, word


UNTOLD = [
    (
        "code/**",
        [None, 3, True, ["code/a"], {"a": 1}, "code/../x", "code/./a", "code//a", "../code/a"],
    ),
    ("make", [None, 3, ["make"]]),
    (["make", "test"], [None, "make test", {}, ["make", 1], ["make", None]]),
    ([["make", "lint"]], [[3], [None]]),
    (3, [None, "3", True, [3]]),
    (True, [None, "true", 1]),
    ({"mode": "r"}, [None, "r", {}, {"mode": None}, {"mode": 1}]),
    ("**", [None]),
]


@pytest.mark.parametrize(("condition", "values"), UNTOLD)
def test_a_condition_that_cannot_be_told_counts_against_the_caller(
    condition: Any, values: list[Any]
) -> None:
    for word in ("allow", "ask"):
        decides = policy(home(rule(word, x=condition)))
        assert {ask(decides, "run", {"x": value}).effect for value in values} == {"deny"}
    decides = policy({"home": {"tools": ["run"], "rules": [rule("deny", x=condition)]}})
    for value in values:
        assert ask(decides, "run", {"x": value}).effect == "deny", value


@pytest.mark.parametrize(("condition", "values"), UNTOLD)
def test_an_ask_that_cannot_be_told_beats_an_allow(condition: Any, values: list[Any]) -> None:
    asks = {"home": {"tools": ["run"], "rules": [rule("ask", x=condition)]}}
    denies = home(rule("ask", x=condition), {"deny": ["run"]}, {"allow": ["run"]})
    for value in values:
        question = Question("home", KEY.key_text, "tool", "run", {"x": value})
        found = policy(asks).decide(question)
        assert (found.effect, found.rule) == ("ask", "grants.home.rules[0]"), value
        matched = [one.rule for one in policy(asks).explain(question) if one.matched]
        assert matched == ["grants.home.tools", "grants.home.rules[0]"]
        assert policy(denies).decide(question).effect == "deny"


def test_a_missing_argument_satisfies_no_allow_and_no_ask_but_a_deny() -> None:
    for arguments in ({}, {"other": "code/a"}):
        assert effect(home(rule("allow", cwd="code/**")), "run", arguments) == "deny"
        assert effect(home(rule("ask", cwd="code/**")), "run", arguments) == "deny"
        table = {"home": {"tools": ["run"], "rules": [rule("deny", cwd="code/**")]}}
        assert effect(table, "run", arguments) == "deny"
        table = {"home": {"tools": ["run"], "rules": [rule("ask", cwd="code/**")]}}
        assert effect(table, "run", arguments) == "ask"


def test_all_conditions_of_a_rule_have_to_be_met() -> None:
    table = home(rule("allow", words=["make", "**"], cwd="code/**", count=3))
    assert effect(table, "run", RUN) == "allow"
    for name, value in {"words": ["rm"], "cwd": "etc", "count": 4}.items():
        assert effect(table, "run", {**RUN, name: value}) == "deny"
    denies = {"home": {"tools": ["run"], "rules": [rule("deny", words=["make", "**"], count=4)]}}
    assert effect(denies, "run", RUN) == "allow"
    assert effect(denies, "run", {"count": 3}) == "allow"  # one that is not met is enough
    assert effect(denies, "run", {"count": 4}) == "deny"


def test_conditions_can_be_met_where_any_call_is_asked_for() -> None:
    assert effect(home(rule("allow", x=1)), "run", None) == "allow"
    assert effect(home(rule("ask", x=1)), "run", None) == "ask"
    some = {"home": {"tools": ["run"], "rules": [rule("deny", x=1)]}}
    assert effect(some, "run", None) == "allow"
    every = {"home": {"tools": ["run"], "rules": [{"deny": ["run"]}]}}
    assert effect(every, "run", None) == "deny"


# --- times


def test_a_rule_decides_until_its_time_and_not_at_it() -> None:
    wall = Wall()
    table = """
        [grants.home]
        tools = ["read"]
        [[grants.home.rules]]
        allow = ["run"]
        until = 2027-01-15T09:00:00+01:00
        [[grants.home.rules]]
        deny = ["read"]
        until = 2027-01-15T08:00:00Z
    """
    decides = policy(table, wall=wall)
    for now, run, read in ((NOW - 1, "allow", "deny"), (NOW, "deny", "allow")):
        wall.now = now
        assert ask(decides, "run", {}).effect == run
        assert ask(decides, "run", None).effect == run
        assert ask(decides, "read", {}).effect == read


# --- who is meant


def test_a_group_counts_for_its_nodes_and_no_others() -> None:
    table = {"@ci": {"nodes": ["ci1", "ci2"], "tools": ["run"]}}
    decides = policy(table, accepted("ci1", "ci2", "ci3"))
    found = {name: ask(decides, "run", {}, peer=name).effect for name in ("ci1", "ci2", "ci3")}
    assert found == {"ci1": "allow", "ci2": "allow", "ci3": "deny"}


def test_nobody_gets_the_grant_of_a_group_by_its_name() -> None:
    table = {"@ci": {"nodes": ["ci1"], "tools": ["*"]}, "*": {"workspaces": ["*"]}}
    decides = policy(table, accepted("ci1"))
    for peer in ("@ci", "*", "grants", ""):
        assert ask(decides, "run", {}, peer=peer).effect == "deny"


def test_the_own_clients_have_a_table_of_their_own() -> None:
    table = {"@local": {"tools": ["read"]}, "home": {"tools": ["run"]}, "*": {"workspaces": ["*"]}}
    decides = policy(table)
    assert ask(decides, "read", {}, peer="@local", key=None).effect == "allow"
    assert ask(decides, "run", {}, peer="@local", key=None).effect == "deny"
    assert ask(decides, "w", {}, peer="@local", key=None, action="workspace").effect == "deny"
    assert ask(decides, "read", {}).effect == "deny"
    # No other node is this one's client, whatever it calls itself.
    assert ask(decides, "read", {}, peer="@local", key=KEY).effect == "deny"


def test_all_members_can_be_granted_models_and_workspaces() -> None:
    table = {
        "*": {
            "models": ["qwen*"],
            "workspaces": ["notes"],
            "rules": [{"deny": ["qwen-secret"], "kind": "models"}],
        }
    }
    decides = policy(table, accepted())  # no name is known
    found = {
        name: ask(decides, name, {}, action="model").effect for name in ("qwen3", "qwen-secret")
    }
    assert found == {"qwen3": "allow", "qwen-secret": "deny"}
    assert ask(decides, "notes", {}, action="workspace").effect == "allow"
    assert ask(decides, "notes", {}, action="tool").effect == "deny"


def test_a_name_with_a_slash_is_matched_by_a_star() -> None:
    for pattern in ("*", "meta-llama/*"):
        table = {"home": {"models": [pattern]}}
        assert effect(table, "meta-llama/Llama-3", {}, action="model") == "allow"
    # A resource is a path: a star keeps to one folder.
    for pattern, expected in (("docs/*", "deny"), ("docs/**", "allow")):
        table = {"home": {"resources": [pattern]}}
        assert effect(table, "docs/a/b", {}, action="resource") == expected


# --- what is explained


def test_each_rule_is_told_of_with_why() -> None:
    table = {
        "home": {
            "tools": ["read"],
            "models": ["*"],
            "rules": [
                rule("allow", count=4),
                rule("deny", cwd="etc/**"),
                rule("ask", words=["**"]),
            ],
        },
        "office": {"tools": ["run"]},
    }
    told = policy(table).explain(Question("home", KEY.key_text, "tool", "run", {"words": []}))
    assert [(one.rule, one.effect, one.matched, one.why) for one in told] == [
        ("grants.home.tools", "allow", False, "it does not name run"),
        (
            "grants.home.rules[0]",
            "allow",
            False,
            "its condition on count cannot be told, which counts against the caller",
        ),
        (
            "grants.home.rules[1]",
            "deny",
            True,
            "its condition on cwd cannot be told, which counts against the caller",
        ),
        ("grants.home.rules[2]", "ask", True, "its conditions are met"),
    ]


def test_a_question_shows_no_arguments() -> None:
    assert "hunter2" not in repr(Question("home", None, "tool", "run", {"password": "hunter2"}))
