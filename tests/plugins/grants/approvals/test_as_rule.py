"""A rule allows what it had people asked about, once a person has seen what that is."""

from __future__ import annotations

import io
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
import tomlkit

from clawmatrix_core import LOCAL, Config, ConfigError, Node
from clawmatrix_core.cli import execute
from clawmatrix_grants.api import ApprovalPending, Permit, Question, permit
from clawmatrix_grants.approvals.asking_rule import AskingRule, with_rule_allowing
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.plugin import GrantsPlugin

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import JSON

pytestmark = pytest.mark.anyio

CORE = f'node_id = "office"\nsecret = "{"s" * 40}"\n'
RULES = """
[grants.home] # the laptop
tools = ["read"]

[[grants.home.rules]]
# Builds, but only below src.
ask   = ["exec"] # each time
when = { argv = ["make", ["test", "lint"], "**"], cwd = "code/src/**" }
until = 2030-01-31T00:00:00Z

[[grants.home.rules]]
ask = ["write", "edit*"]

[grants."@local"]
rules = [ { ask = ["x"], when = { n = 1, deep = { on = true, other = [] } } } ]
"""


def table(text: str = RULES) -> GrantsConfig:
    config = Config.from_mapping(tomllib.loads(CORE + text))
    config.bind(GrantsPlugin().register_config())
    return config.section(GrantsConfig)


def rule(named: str) -> AskingRule:
    return AskingRule.find(table(), f"grants: {named}")


def test_its_conditions_are_told_in_words() -> None:
    assert rule("grants.home.rules[0]").words() == [
        'home may use the tools "exec" without asking anybody,'
        " until 2030-01-31T00:00:00+00:00, where",
        '  "argv" is a list of "make", then "test" or "lint" and then anything',
        '  "cwd" is like "code/src/**"',
    ]
    assert rule("grants.home.rules[1]").words() == [
        'home may use the tools "write", like "edit*" with any arguments, without asking anybody'
    ]
    assert rule('grants."@local".rules[0]').words() == [
        'each client of this node may use the tools "x" without asking anybody, where',
        '  "n" is 1',
        '  "deep" is an object where "on" is true, "other" is an empty list',
    ]


def test_whoever_it_is_for_is_named() -> None:
    text = """
    [grants."@ci"]
    nodes = ["ci1", "ci2"]
    rules = [{ ask = ["exec"], when = { argv = ["**"] } }]
    [grants."*"]
    rules = [{ ask = ["notes"], kind = "workspaces" }]
    """
    ci = AskingRule.find(table(text), 'grants: grants."@ci".rules[0]')
    assert ci.words()[0].startswith("each node of @ci (ci1, ci2) may use the tools")
    assert ci.words()[1] == '  "argv" is any list'
    everyone = AskingRule.find(table(text), 'grants: grants."*".rules[0]')
    assert everyone.words()[0].startswith("each member may use the workspaces")


@pytest.mark.parametrize(
    "named", ["grants.home.rules[0]", "grants.home.rules[1]", 'grants."@local".rules[0]']
)
def test_its_toml_says_what_is_written(named: str) -> None:
    found = rule(named)
    written = with_rule_allowing(CORE + RULES, found.told(), tomlkit)
    place = tomllib.loads(written)["grants"][found.peer]["rules"][found.index]
    [shown] = tomllib.loads("\n".join(found.toml()))["grants"][found.peer]["rules"]
    assert shown == place
    assert table(written.removeprefix(CORE)) == found.allowing(table())


def test_all_else_in_the_file_stays() -> None:
    written = with_rule_allowing(CORE + RULES, rule("grants.home.rules[0]").told(), tomlkit)
    assert written == CORE + RULES.replace('ask   = ["exec"] #', 'allow = ["exec"] #')


@pytest.mark.parametrize(
    "named",
    [
        "engine: grants.home.rules[0]",
        "grants: grants.home.rules[7]",
        "grants: grants.nobody.rules[0]",
        "grants: grants.home.tools",
        "",
    ],
)
def test_what_is_no_rule_that_asks_is_refused(named: str) -> None:
    with pytest.raises(LookupError):
        AskingRule.find(table(), named)
    with pytest.raises(LookupError):
        AskingRule.find(table(RULES.replace("ask", "deny")), "grants: grants.home.rules[0]")


@pytest.mark.parametrize(
    "text",
    [
        RULES.replace('"lint"', '"lint", "run"'),
        RULES.replace('ask   = ["exec"]', 'deny = ["exec"]'),
        RULES.replace('["exec"]', '["exec", "shell"]'),
        RULES.replace("until = 2030-01-31T00:00:00Z", ""),
        RULES.replace("until = 2030", "until = 2031"),
        RULES.replace("until = 2030", 'kind = "agents"\nuntil = 2030'),
        "",
    ],
)
def test_a_file_that_says_something_else_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="the file has another rule there"):
        with_rule_allowing(CORE + text, rule("grants.home.rules[0]").told(), tomlkit)


@pytest.mark.parametrize("value", ["true", "1.5", "2"])
def test_numbers_and_truth_are_told_apart_in_the_file(value: str) -> None:
    told = rule('grants."@local".rules[0]').told()
    with pytest.raises(ConfigError, match="the file has another rule there"):
        with_rule_allowing(CORE + RULES.replace("n = 1", f"n = {value}"), told, tomlkit)


GROUP = """
[grants."@ci"]
nodes = ["ci1"]
rules = [ { ask = ["x"] } ]
"""


def test_a_group_with_other_nodes_than_were_shown_is_left_alone() -> None:
    told = AskingRule.find(table(GROUP), 'grants: grants."@ci".rules[0]').told()
    assert "allow" in with_rule_allowing(CORE + GROUP, told, tomlkit)
    with pytest.raises(ConfigError, match="the file has another rule there"):
        with_rule_allowing(CORE + GROUP.replace('"ci1"', '"ci1", "ci2"'), told, tomlkit)


# --- as people type it


OWN = """
plugins = ["control", "audit", "grants"]
approvals.wait = 0

[[grants."@local".rules]]
ask = ["build"] # each time
when = { argv = ["make", "**"] }
"""


class Typed:
    """What a command said to whoever typed it."""

    def __init__(self, config: Path, *arguments: str, stdin: str) -> None:
        self._arguments = [*arguments, "-c", str(config)]
        self._stdin = stdin

    async def run(self) -> tuple[int, str, str]:
        return await anyio.to_thread.run_sync(self._run)

    def _run(self) -> tuple[int, str, str]:
        out, err, before = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(self._stdin)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = execute(self._arguments)
        finally:
            sys.stdin = before
        return int(code), out.getvalue(), err.getvalue()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "office.toml"
    path.write_text(f'{CORE}state_dir = "{tmp_path}/office"\n{OWN}')
    path.chmod(0o600)
    return path


ARGUMENTS: dict[str, JSON] = {"argv": ["make", "test"]}
asked = partial(Question, LOCAL, None, "tool")


def text_of(path: Path) -> str:
    return path.read_text()


def add(path: Path, more: str) -> str:
    path.write_text(path.read_text() + more)
    return path.read_text()


async def waiting(node: Node) -> str:
    with pytest.raises(ApprovalPending) as raised:
        await permit(node, asked("build", ARGUMENTS))
    return raised.value.approval


async def test_a_rule_allows_from_now_on(config: Path) -> None:
    async with Node(Config.load(config)) as node:
        id_ = await waiting(node)
        no = await Typed(config, "approvals", "allow", id_, "--as-rule", stdin="n\n").run()
        assert no[0] == 1
        assert "nothing is written" in no[2]
        assert await waiting(node) == id_
        code, out, err = await Typed(
            config, "approvals", "allow", id_, "--as-rule", stdin="y\n"
        ).run()
        assert (code, "Write this into the configuration?" in err) == (0, True)
        assert '  "argv" is a list of "make" and then anything\n' in out
        assert '[[grants."@local".rules]]\nallow = ["build"]\n' in out
        assert out.endswith("the node has it in force\n")
        assert 'allow = ["build"] # each time\n' in text_of(config)
        given = await permit(node, asked("build", {"argv": ["make", "clean"]}))
        assert given == Permit(given.verdict)
        audit = text_of(config.parent / "office" / "audit" / "audit.jsonl")
        assert audit.count("allowed by changing its rule") == 1


async def test_one_that_another_rule_would_stop_is_left_alone(config: Path) -> None:
    other = '\n[[grants."@local".rules]]\nask = ["build"]\nwhen = { argv = ["*", "test"] }\n'
    before = add(config, other)
    async with Node(Config.load(config)) as node:
        id_ = await waiting(node)
        code, _, err = await Typed(
            config, "approvals", "allow", id_, "--as-rule", stdin="y\n"
        ).run()
        assert code == 1
        assert 'grants."@local".rules[1] would ask it still' in err
        assert text_of(config) == before


async def test_for_a_time_and_as_a_rule_do_not_go_together(config: Path) -> None:
    async with Node(Config.load(config)) as node:
        words = ["--as-rule", "--for", "1h"]
        code, _, err = await Typed(
            config, "approvals", "allow", await waiting(node), *words, stdin=""
        ).run()
        assert (code, "--for is for one call" in err) == (2, True)
