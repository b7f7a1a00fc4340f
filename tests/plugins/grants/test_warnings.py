"""What the grants allow and probably do not mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_grants.api import ToolShape
from tests.plugins.grants.tables import warnings

if TYPE_CHECKING:
    from pathlib import Path

KEY = 'key = "ed25519:7ZzAV6xLPFc1dDUh5tSoP4rFYYzC4N8wtzrcmTcIVYc="'
EXEC = '[[grants.home.rules]]\nallow = ["exec"]\nwhen = { argv = '


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[[grants.home.rules]]\nallow = ["x"]\nuntil = 2020-01-01T00:00:00Z\n',
            ["home.rules[0]: ended at 2020-01-01T00:00:00+00:00, and decides nothing"],
        ),
        ('[grants."@ci"]\nnodes = []\n', ['"@ci".nodes: is empty: the rules of this group']),
        (
            '[grants.home]\ntools = ["read", "list"]\n[[grants.home.rules]]\ndeny = ["rea*"]\n',
            ['home.tools: "read" never decides: rules[0] denies it whatever the arguments'],
        ),
        (
            '[grants.home]\ntools = ["read*"]\n[[grants.home.rules]]\nask = ["*"]\n'
            '[[grants.home.rules]]\ndeny = ["read*"]\n',
            ['home.tools: "read*" never decides: rules[1] denies it'],
        ),
        (
            '[grants.home]\nmodels = ["q"]\n[[grants."*".rules]]\ndeny = ["*"]\nkind = "models"\n',
            ['home.models: "q" never decides: rules[0] of "*" denies it'],
        ),
        (
            '[grants.home]\nworkspaces = ["w/a", "w/a/b"]\n'
            '[[grants.home.rules]]\nask = ["w/*"]\nkind = "workspaces"\n',
            ['home.workspaces: "w/a" never decides: rules[0] asks for it'],
        ),
        (
            '[grants.home]\ntools = ["read"]\n[grants."@ci"]\nnodes = ["home", "x"]\n'
            '[[grants."@ci".rules]]\ndeny = ["read"]\n',
            ['home.tools: "read" never decides: rules[0] of "@ci" denies it'],
        ),
        (  # the group may not count where the grant with a key does
            f'[grants.home]\n{KEY}\ntools = ["read"]\n[grants."@ci"]\nnodes = ["home"]\n'
            '[[grants."@ci".rules]]\ndeny = ["read"]\n',
            [],
        ),
        (  # not all of the group are in the other one
            '[grants."@a"]\nnodes = ["home", "x"]\ntools = ["read"]\n[grants."@b"]\n'
            'nodes = ["home"]\n[[grants."@b".rules]]\ndeny = ["read"]\n',
            [],
        ),
        (  # the deny ends first
            '[grants.home]\ntools = ["read"]\n[[grants.home.rules]]\ndeny = ["read"]\n'
            "until = 2999-01-01T00:00:00Z\n",
            [],
        ),
        (  # the deny has a condition, and is about another kind
            '[grants.home]\ntools = ["read"]\nagents = ["list"]\n[[grants.home.rules]]\n'
            'deny = ["read"]\nwhen = { path = "x" }\n[[grants.home.rules]]\ndeny = ["list"]\n',
            [],
        ),
        ('[grants."@local"]\ntools = ["x"]\n[[grants."*".rules]]\ndeny = ["*"]\nkind="models"', []),
        (
            '[grants.home]\ntools = ["write"]\n[[grants.home.rules]]\nallow = ["write", "edit"]\n'
            'when = { path = "code/**" }\n',
            ['home.rules[0]: the conditions on "write" hold nobody back: tools allows it'],
        ),
        (  # an ask beside an allow means something
            '[grants.home]\ntools = ["write"]\n[[grants.home.rules]]\nask = ["write"]\n'
            'when = { path = "code/**" }\n',
            [],
        ),
    ],
)
def test_rules_that_never_decide_are_named(text: str, expected: list[str]) -> None:
    found = warnings(text)
    assert len(found) == len(expected), found
    for told, words in zip(found, expected, strict=True):
        assert told.startswith(f"grants.{words}")


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        ('["env", "**"]', "env"),
        ('["git", "*"]', "git"),
        ('["/opt/x/python3.12", "**"]', "python3.12"),
        ('[["ls", "sudo"], "**"]', "sudo"),
        ('["bash", "-c", "*"]', "bash"),
        ('["python3", ["-c", "-m"], "x*", "**"]', "python3"),
        ('["python3", "-m", "*"]', "python3"),
        ('["python3.?", "**"]', "python"),
        ('["timeout", "5", "**"]', "timeout"),
        ('["timeout", "5", "x*"]', "timeout"),
        ('["env", "-i", "**"]', "env"),
        ('["find", "code", "**"]', "find"),
        ('["find", "code", "-?ame", "x"]', "find"),
        ('["sh", "code/*"]', "sh"),
        ('["npm", "run", "**"]', "npm"),
        ('["npm", "r*"]', "npm"),
        ('["ssh", "host", "**"]', "ssh"),
        ('["uv", "run", "**"]', "uv"),
        ('["stdbuf", "-oL", "**"]', "stdbuf"),
        ('["flock", "lock", "*"]', "flock"),
        ('["pytest", "tests", "**"]', "pytest"),
        ('["make", ["test", "*"]]', "make"),
        ('["make", "CC=*"]', "make"),
        ('["make", "test", "**"]', "make"),
        ('["git", "commit", "-m", "**"]', "git"),
        ('["git", "-c", "core*", "log"]', "git"),
        ('["make", "-f", "x*"]', "make"),
        ('["make", "test-*"]', None),
        ('["git", "switch", "feature-*"]', None),
        ('["env", "LANG=C", "ls"]', None),
        ('["perl", "-e", "**"]', "perl"),
        ('["pyth*", "**"]', "python"),
        ('["/usr/bin/*", "**"]', "ansible"),
        ('["**"]', "ansible"),
        ('"**"', "ansible"),
        ('["ls", "**"]', None),
        ('["git", "log", "**"]', "git"),
        ('["git", "log", "-*"]', "git"),
        ('["make", ["test", "lint"]]', None),
        ('["git", "commit", "-m", "*"]', None),
        ('["sh"]', None),
        ("[]", None),
    ],
)
def test_programs_that_run_others_are_named(argv: str, program: str | None) -> None:
    found = warnings(f"{EXEC}{argv} }}\n")
    expected = (
        []
        if program is None
        else [
            f'grants.home.rules[0].when.argv: "{program}" runs whatever its arguments say, and they'
            " are free: as good as a shell"
        ]
    )
    assert found == expected


def test_only_what_is_allowed_to_run_commands_is_looked_at() -> None:
    rule = '[[grants.home.rules]]\n{} = ["{}"]\nwhen = {{ argv = ["env", "**"] }}\n'
    for effect, tool, count in (("allow", "ex*", 1), ("ask", "exec", 0), ("allow", "run", 0)):
        assert len(warnings(rule.format(effect, tool))) == count
    assert warnings('[grants.home]\ntools = ["exec", "shell"]\n') == []  # it says so itself
    anything = '[[grants.home.rules]]\nallow = ["exec"]\nwhen = { cwd = "code" }\n'
    assert warnings(anything) == [
        "grants.home.rules[0].when: allows any program with any arguments: as good as a shell"
    ]


def test_a_line_for_a_shell_that_is_not_fixed_is_named() -> None:
    rule = '[[grants.home.rules]]\nallow = ["shell"]\nwhen = {{ {} }}\n'
    [open_end] = warnings(rule.format('command = "git *"'))
    assert 'when.command: "git *" lets callers write more commands' in open_end
    [free] = warnings(rule.format('cwd = "code"'))
    assert free == "grants.home.rules[0].when: allows any command"
    assert warnings(rule.format('command = "make test"')) == []


def test_programs_where_callers_can_write_are_named(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    shapes = [
        ToolShape("exec", frozenset({"argv", "cwd"})),
        ToolShape("write", None, writable=(str(tmp_path / "link"),)),
    ]
    for program, there in (
        (f"{real}/bin/run", True),
        (f"{tmp_path}/link/bin/run", True),
        (f"{real}/bin/*", True),
        (f"{real}-not/run", False),
        (f"{tmp_path}/*/x", False),
        ("ls", False),
        ("no-such-program", False),
    ):
        found = warnings(f'{EXEC}["{program}"] }}\n', shapes)
        words = f'"{program}" is in {real}, where callers can write: as good as a shell'
        assert found == ([f"grants.home.rules[0].when.argv: {words}"] if there else [])


SHAPES = [
    ToolShape("read", frozenset({"path", "offset"})),
    ToolShape("exec", frozenset({"argv", "cwd"})),
    ToolShape("any"),
    ToolShape("github__*"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[grants.home]\ntools = ["raed", "rea?", "github__x", "nix*"]\n',
            [
                'home.tools: no plugin in use has a tool "raed" (did you mean "read"?)',
            ],
        ),
        ('[grants.home]\nagents = ["raed"]\n', []),
        (
            '[[grants.home.rules]]\ndeny = ["read"]\nwhen = { paht = "x", offset = 1 }\n',
            ['home.rules[0].when.paht: no such argument (did you mean "path"?)'],
        ),
        ('[[grants.home.rules]]\nask = ["read", "exec"]\nwhen = { cwd = "x", path = "y" }\n', []),
        (
            '[[grants.home.rules]]\ndeny = ["*"]\nwhen = { path = "y" }\n',
            [
                "home.rules[0].when.path: exec does not take it, and is denied whatever the"
                " arguments"
            ],
        ),
        ('[[grants.home.rules]]\nask = ["read", "any"]\nwhen = { sugar = 1 }\n', []),
        ('[[grants.home.rules]]\nask = ["github__x"]\nwhen = { sugar = 1 }\n', []),
    ],
)
def test_tools_and_arguments_that_are_not_there_are_named(text: str, expected: list[str]) -> None:
    assert warnings(text, SHAPES) == [f"grants.{words}" for words in expected]
    assert warnings(text) == []  # where no plugin tells of tools, nothing is known of them


def test_a_pattern_that_no_tool_fits_is_named() -> None:
    [told] = warnings('[grants.home]\ntools = ["nix*", "e*"]\n', SHAPES[:2])
    assert told == 'grants.home.tools: no plugin in use has a tool "nix*"'
