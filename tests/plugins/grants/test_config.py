"""What the table may have, and what is said of mistakes in it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from clawmatrix_grants.config import GrantName, Until
from clawmatrix_grants.policy import Policy
from tests.plugins.grants.helpers import KEY, Wall, mistakes, read, store

RULE = "[[grants.home.rules]]\n"


def test_the_table_of_the_page_is_read() -> None:
    found = read(f"""
        [grants.home]
        key = "{KEY.key_text}"
        tools = ["read", "list"]
        [[grants.home.rules]]
        allow = ["exec"]
        when = {{ argv = ["make", ["test", "lint"]], cwd = "code/src/**" }}
        until = 2027-01-31T00:00:00Z
        [grants."@ci"]
        nodes = ["ci1", "ci2"]
        [grants."@local"]
        agents = ["*"]
        [grants."*"]
        models = ["*"]
    """)
    assert list(found.grants) == ["home", "@ci", "@local", "*"]
    home = found.grants[GrantName("home")]
    [rule] = home.rules
    assert home.key == KEY.key_text
    assert (rule.effect, rule.patterns, rule.kind) == ("allow", ("exec",), "tools")
    assert rule.when["argv"].value == ["make", ["test", "lint"]]
    assert rule.until == Until(1_801_353_600)


def test_a_table_that_says_the_same_is_equal() -> None:
    text = RULE + 'deny = ["x"]\nwhen = { a = [1, true], b = "c/**" }\nuntil = 2027-01-31T00:00:00Z'
    assert read(text) == read(text)
    assert read(text) != read(text.replace("true", "false"))
    assert read(text) != read(text.replace("true", "1"))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('[grants."a b"]', 'grants."a b"', "the name of a group"),
        ('[grants."@"]', 'grants."@"', "the name of a group"),
        ('[grants.home]\nkey = "ed25519:abc"', "grants.home.key", "fingerprint --key"),
        ("[grants.home]\ntools = [1]", "grants.home.tools[0]", "a name"),
        ('[grants.home]\ntools = ["a", "x["]', "grants.home.tools[1]", '"["'),
        ('[grants.home]\ntols = ["a"]', "grants.home.tols", 'did you mean "tools"'),
        ("[grants]\nhome = 3", "grants.home", "a table"),
        ('[grants.home]\nnodes = ["ci1"]', "grants.home.nodes", "only a group has nodes"),
        ('[grants."@local"]\nnodes = ["ci1"]', 'grants."@local".nodes', "only a group has nodes"),
        ('[grants."@ci"]', 'grants."@ci"', 'nodes = ["..."]'),
        ('[grants."@ci"]\nnodes = ["a b"]', 'grants."@ci".nodes[0]', "not the name of a node"),
        ('[grants."@ci"]\nnodes = ["@x"]', 'grants."@ci".nodes[0]', "not the name of a node"),
        (f'[grants."@ci"]\nnodes = []\nkey = "{KEY.key_text}"', 'grants."@ci".key', "one node"),
        (f'[grants."*"]\nkey = "{KEY.key_text}"', 'grants."*".key', "one node"),
        ('[grants."*"]\ntools = ["a"]', 'grants."*".tools', "models and workspaces only"),
        ('[grants."*"]\nagents = ["a"]', 'grants."*".agents', "models and workspaces only"),
        ('[grants."*"]\nresources = ["a"]', 'grants."*".resources', "models and workspaces only"),
        ('[[grants."*".rules]]\ndeny = ["a"]', 'grants."*".rules[0]', "models and workspaces only"),
        (RULE, "grants.home.rules[0]", "one of allow, ask and deny"),
        (f'{RULE}allow = ["a"]\ndeny = ["b"]', "grants.home.rules[0]", "one only"),
        (f'{RULE}allow = "a"', "grants.home.rules[0].allow", "a list"),
        (f'{RULE}allow = ["a"]\nkind = "tool"', "grants.home.rules[0].kind", '"tools"'),
        (f'{RULE}allow = ["a"]\nuntil = "soon"', "grants.home.rules[0].until", "2027-01-31"),
        (f'{RULE}allow = ["a"]\nuntil = 2027-01-31', "grants.home.rules[0].until", "offset"),
        (
            f'{RULE}allow = ["a"]\nuntil = 2027-01-31T00:00:00',
            "grants.home.rules[0].until",
            "offset",
        ),
        (f'{RULE}allow = ["a"]\nwhen = 3', "grants.home.rules[0].when", "a table"),
        (f'{RULE}allow = ["a"]\nwhen = {{ x = "[" }}', "grants.home.rules[0].when.x", '"["'),
        (f'{RULE}allow = ["a"]\nwhen = {{ x = nan }}', "grants.home.rules[0].when.x", "finite"),
        (
            f'{RULE}allow = ["a"]\nwhen = {{ x = 2027-01-31 }}',
            "grants.home.rules[0].when.x",
            "a date",
        ),
        (
            f'{RULE}allow = ["a"]\nwhen = {{ x = ["**", "a"] }}',
            "grants.home.rules[0].when.x",
            "end",
        ),
        (
            f'{RULE}allow = ["a"]\nwhen = {{ x = [[["a"]]] }}',
            "grants.home.rules[0].when.x",
            "a list",
        ),
        (f'{RULE}allow = ["a"]\nwhen = {{ x = [[]] }}', "grants.home.rules[0].when.x", "nothing"),
        (
            f'{RULE}allow = ["a"]\nwhen = {{ x = {"[" * 40}{"]" * 40} }}',
            "grants.home.rules[0].when.x",
            "a list",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str, words: str) -> None:
    told = mistakes(text)
    assert told, "it was taken"
    assert told[0].startswith(f"{place}: "), told
    assert words in told[0]


def test_all_mistakes_are_told_at_once() -> None:
    told = mistakes("""
        [grants.home]
        nodes = ["x"]
        [grants."@ci"]
        [grants."*"]
        tools = ["x"]
    """)
    assert len(told) == 3


def test_tables_nested_without_end_are_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(Exception, match=r"grants\.home\.rules\[0\]\.when\.x: is nested too deep"):
        read({"home": {"rules": [{"allow": ["a"], "when": {"x": deep}}]}})


def test_ten_thousand_rules_are_read_in_reasonable_time() -> None:
    rules = [
        {"allow": [f"tool{n}*"], "when": {"argv": ["make", f"t{n}", "**"], "cwd": f"code/*/{n}/**"}}
        for n in range(10_000)
    ]
    began = time.process_time()
    Policy(read({"home": {"rules": rules}}), store(), wall=Wall())
    assert time.process_time() - began < 20
