"""``[grants-tests]``: what the grants are expected to say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import JSON, ConfigError
from clawmatrix_grants.api import ToolShape
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.expectations import ExpectationsConfig, failed_expectations
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.grants.tables import mistakes, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

TABLE = """
[grants.home]
key = "ed25519:7ZzAV6xLPFc1dDUh5tSoP4rFYYzC4N8wtzrcmTcIVYc="
tools = ["read"]
agents = ["a*"]
[[grants.home.rules]]
allow = ["exec"]
when = { argv = ["make", "**"], cwd = "code/**" }
[[grants.home.rules]]
ask = ["write"]
[[grants.home.rules]]
deny = ["read"]
when = { path = "code/secret/**" }
[grants."@ci"]
nodes = ["ci1"]
tools = ["list"]
[grants."@local"]
tools = ["read"]
[grants-tests.one]
"""


@pytest.mark.parametrize(
    "test",
    [
        'peer = "home"\ntool = "read"\nexpect = "allow"\nargs = { path = "code/x" }',
        'peer = "home"\ntool = "read"\nexpect = "deny"\nargs = { path = "code/secret/x" }',
        'peer = "home"\ntool = "read"\nexpect = "deny"',  # the path cannot be told
        'peer = "home"\ntool = "write"\nexpect = "ask"',
        'peer = "home"\ntool = "exec"\nexpect = "deny"\nargs = { argv = ["make"] }',
        'peer = "home"\naction = "agent"\ntarget = "ann"\nexpect = "allow"',
        'peer = "home"\naction = "model"\ntarget = "any"\nexpect = "allow"',  # no rule is
        'peer = "ci1"\ntool = "list"\nexpect = "allow"',
        'peer = "ci2"\ntool = "list"\nexpect = "deny"',
        'peer = "@local"\ntool = "read"\nexpect = "allow"',
        'peer = "@local"\ntool = "list"\nexpect = "deny"',
    ],
)
def test_what_is_expected_is_found(test: str) -> None:
    assert mistakes(TABLE + test) == []
    [words] = mistakes(
        TABLE
        + test.replace('"allow"', '"no"')
        .replace('"deny"', '"allow"')
        .replace('"ask"', '"deny"')
        .replace('"no"', '"deny"')
    )
    assert words.startswith("grants-tests.one: expected ")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            'peer = "home"\ntool = "write"\nexpect = "allow"',
            "expected allow, got ask: grants.home.rules[1] decides",
        ),
        (
            'peer = "ci2"\ntool = "write"\nexpect = "ask"',
            "expected ask, got deny: [grants] has nothing for ci2",
        ),
    ],
)
def test_a_test_that_fails_names_what_was_expected_and_the_rule(test: str, words: str) -> None:
    assert mistakes(TABLE + test) == [f"grants-tests.one: {words}"]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ('peer = "home"\nexpect = "allow"', "grants-tests.one: has to have one of tool and target"),
        (
            'peer = "home"\ntool = "x"\ntarget = "y"\nexpect = "allow"',
            "grants-tests.one: has to have one of tool and target",
        ),
        (
            'peer = "home"\ntool = "x"\naction = "model"\nexpect = "allow"',
            "grants-tests.one: names the tool by target",
        ),
        ('peer = "@ci"\ntool = "x"\nexpect = "allow"', "grants-tests.one.peer: expected the name"),
        ('peer = "home"\ntool = "x"\nexpect = "no"', 'grants-tests.one.expect: "no" is not one of'),
        ('peer = "home"\ntool = "x"', "grants-tests.one.expect: is missing"),
    ],
)
def test_a_test_that_says_nothing_is_refused(test: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(TABLE + test)
    assert words in str(caught.value)


def test_tests_without_a_table_test_nothing() -> None:
    alone = '[grants-tests.one]\npeer = "home"\ntool = "x"\nexpect = "deny"\n'
    assert mistakes(alone) == ["grants-tests: there is no table [grants] that they could be about"]


def fill_in(arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
    if "argv" not in arguments:
        raise ValueError("argv is missing")
    program, *rest = arguments["argv"]
    return {"cwd": "code", **arguments, "argv": [f"/usr/bin/{program}", *rest]}


def test_arguments_are_those_that_the_tool_runs_with() -> None:
    table = TABLE.replace('"make"', '"/usr/bin/make"')
    test = 'peer = "home"\ntool = "exec"\nexpect = "allow"\nargs = { argv = ["make"] }'
    assert "got deny" in mistakes(table + test)[0]
    shapes = [ToolShape("read"), ToolShape("exec", canonical=fill_in)]
    assert mistakes(table + test, shapes) == []
    bare = 'peer = "home"\ntool = "exec"\nexpect = "deny"'
    refused = ["grants-tests.one: the tool exec refuses these args: argv is missing"]
    assert mistakes(table + bare, shapes) == refused


def test_a_rule_that_has_ended_allows_nothing_in_a_test() -> None:
    config = read(
        '[[grants.home.rules]]\nallow = ["x"]\nuntil = 2027-01-01T00:00:00Z\n'
        '[grants-tests.one]\npeer = "home"\ntool = "x"\nexpect = "allow"\n'
    )
    tables = config.section(GrantsConfig), config.section(ExpectationsConfig)
    assert list(failed_expectations(*tables, (), wall=lambda: 1_798_761_599.0)) == []
    [(path, words)] = failed_expectations(*tables, (), wall=lambda: 1_798_761_600.0)
    assert (path, "got deny" in words) == (("one",), True)


async def test_a_node_starts_with_a_test_that_fails_and_says_so(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    tests = {"one": {"peer": "home", "tool": "x", "expect": "allow"}}
    config = {"grants": {}, "grants-tests": tests}
    with caplog.at_level(logging.ERROR):
        async with node_factory("office", built_in=(), plugins=[GrantsPlugin()], config=config):
            pass
    told = [record.getMessage() for record in caplog.records]
    assert told == ["grants-tests.one: expected allow, got deny: [grants] has nothing for home"]
