"""Conditions on paths that protect nothing, and what is warned of them."""

from __future__ import annotations

import json

import pytest

from clawmatrix_grants.api import ToolShape
from tests.plugins.grants.tables import warnings

ROOTS = ("code", "docs")
SHAPES = [
    ToolShape("read", frozenset({"path"}), roots=ROOTS),
    ToolShape("list", frozenset({"path"}), roots=ROOTS, shows_below=True),
    ToolShape("search", frozenset({"path"}), roots=ROOTS, shows_below=True),
    ToolShape("exec", frozenset({"argv", "cwd"}), roots=("code",)),
    ToolShape("fetch", frozenset({"path"})),
]


def rule(effect: str, tools: list[str], argument: str, text: str) -> str:
    when = f"{{ {argument} = {json.dumps(text)} }}"
    return f"[[grants.home.rules]]\n{effect} = {json.dumps(tools)}\nwhen = {when}\n"


@pytest.mark.parametrize(
    ("argument", "text", "first"),
    [
        ("path", "/home/me/code/**", "/home"),
        ("path", "secret/**", "secret"),
        ("path", "cod/**", "cod"),
        ("path", "../x", ".."),
        ("path", "./code/**", "."),
        ("path", "x*/y", "x*"),
        ("path", "", None),
        ("path", "code", None),
        ("path", "c*/x", None),
        ("path", "**", None),
        ("path", "**/secret", None),
        ("path", "docs/x", None),
    ],
)
@pytest.mark.parametrize("effect", ["allow", "ask", "deny"])
def test_a_path_in_no_root_is_named(
    effect: str, argument: str, text: str, first: str | None
) -> None:
    found = warnings(rule(effect, ["read"], argument, text), SHAPES)
    words = f'no root is named "{first}": paths are ROOT/relative, and the roots are code, docs'
    place = f"grants.home.rules[0].when.{argument}"
    assert found == ([] if first is None else [f"{place}: {words}"])


def test_a_folder_of_a_command_in_no_root_of_commands_is_named() -> None:
    [found] = warnings(rule("deny", ["exec"], "cwd", "docs/**"), SHAPES)
    assert 'when.cwd: no root is named "docs"' in found
    assert warnings(rule("deny", ["exec"], "cwd", "code/**"), SHAPES) == []
    assert warnings(rule("deny", ["fetch"], "path", "/x"), SHAPES) == []


@pytest.mark.parametrize("text", ["code/", "code//x", "code/./x", "code/x/../y"])
def test_a_text_that_no_path_is_like_is_named(text: str) -> None:
    [found] = warnings(rule("deny", ["read"], "path", text), SHAPES)
    assert f'"{text}" is no path: paths are ROOT/relative' in found


ALL = '[grants.home]\ntools = ["list", "search"]\n'
SOME = rule("allow", ["list"], "path", "code/public/**")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ALL + rule("deny", ["list"], "path", "code/secret/**"), ["list code"]),
        (ALL + rule("deny", ["list"], "path", "code/secret"), ["list code"]),
        (ALL + rule("deny", ["*"], "path", "code/a/b/**"), ["list code", "search code"]),
        (ALL + rule("deny", ["list"], "path", "**/.git/**"), ["list code"]),
        (ALL + rule("deny", ["list"], "path", "code/**/.env"), ["list code"]),
        (ALL + rule("deny", ["list"], "path", "code/*/x"), ["list code"]),
        (
            rule("ask", ["sea*"], "path", "code/*") + rule("deny", ["search"], "path", "code/a/b"),
            ["search code/a"],
        ),
        (
            rule("allow", ["list"], "path", "code/[ab]*/**")
            + rule("deny", ["list"], "path", "code/*/secret/**"),
            ["list code/ax"],
        ),
        (ALL + rule("ask", ["list"], "path", "code/secret/**"), ["list code"]),
        (
            rule("ask", ["list"], "path", "code/**")
            + rule("ask", ["list"], "path", "code/secret/**"),
            [],
        ),
        (ALL + rule("deny", ["list"], "path", "/etc/**"), []),
        (SOME + rule("deny", ["list"], "path", "code/secret/**"), []),
        (ALL + rule("deny", ["list"], "path", "code/**"), []),
        (ALL + rule("deny", ["list"], "path", "code"), []),
        (ALL + rule("deny", ["read"], "path", "code/secret/**"), []),
        (
            ALL
            + rule("deny", ["list"], "path", "code/secret/**")
            + rule("deny", ["list"], "path", "code"),
            [],
        ),
    ],
)
def test_a_deny_that_a_folder_above_leads_around_is_named(text: str, expected: list[str]) -> None:
    found = [one for one in warnings(text, SHAPES) if "hides nothing" in one]
    assert len(found) == len(expected), found
    for told, one in zip(found, expected, strict=True):
        tool, folder = one.split()
        words = f'"{tool}" called with the folder "{folder}" shows all below it, and '
        assert f".when.path: hides nothing: {words}" in told


def test_what_a_group_may_list_counts_for_its_nodes() -> None:
    group = '[grants."@ci"]\nnodes = [{}]\ntools = ["list"]\n'
    deny = rule("deny", ["list"], "path", "code/secret/**")
    [found] = warnings(group.format('"home"') + deny, SHAPES)
    assert found.endswith('and tools of "@ci" permits that')
    assert warnings(group.format('"other"') + deny, SHAPES) == []
