"""A grant is written into the text of a configuration; all else in it stays as it is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawmatrix_core import ConfigError
from clawmatrix_grants.commands.editing import Addition, with_grant

KEY = "ed25519:K"
HOME = Addition("home", KEY, {"tools": ["read", "list"], "models": ["qwen*"]})
BLOCK = '[grants.home]\nkey = "ed25519:K"\ntools = ["read", "list"]\nmodels = ["qwen*"]\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a = 1 # one\n# Of the mesh.\n[mesh]\n",
            f"a = 1 # one\n# Of the mesh.\n[mesh]\n\n{BLOCK}",
        ),
        ("a = 1", f"a = 1\n\n{BLOCK}"),
        (
            '[grants.office]\ntools = ["x"]\n\n# Of the mesh.\n[mesh]\n',
            f'[grants.office]\ntools = ["x"]\n\n# Of the mesh.\n[mesh]\n\n{BLOCK}',
        ),
        (
            '[grants.home] # ours\ntools = [ "x" ] # what\n\n# Of the mesh.\n[mesh]\n',
            '[grants.home] # ours\nkey = "ed25519:K"\nmodels = ["qwen*"]\n'
            'tools = [ "x", "read", "list" ] # what\n\n# Of the mesh.\n[mesh]\n',
        ),
        (
            '[grants."home"]\nkey = "ed25519:J" # old\nmodels = ["qwen*"]\n[[grants.a.rules]]\n',
            '[grants."home"]\ntools = ["read", "list"]\nkey = "ed25519:K" # old\n'
            'models = ["qwen*"]\n[[grants.a.rules]]\n',
        ),
        (
            '[grants.home]\ntools = [\n  "list", # a\n  "x" # b\n]\n',
            '[grants.home]\nkey = "ed25519:K"\nmodels = ["qwen*"]\n'
            'tools = [\n  "list", # a\n  "x", # b\n  "read"\n]\n',
        ),
        (
            '[[grants.home.rules]]\nallow = ["x"]\n[mesh]\n',
            f'{BLOCK}[[grants.home.rules]]\nallow = ["x"]\n[mesh]\n',
        ),
        (
            'grants.home.tools = ["read"]\n[mesh]\n',
            'grants.home.tools = ["read", "list"]\ngrants.home.key = "ed25519:K"\n'
            'grants.home.models = ["qwen*"]\n[mesh]\n',
        ),
        (BLOCK.replace("\n", "\r\n"), BLOCK.replace("\n", "\r\n")),
        (
            "[grants.home]\r\ntools = []\r\n",
            '[grants.home]\r\nkey = "ed25519:K"\r\nmodels = ["qwen*"]\r\n'
            'tools = ["read", "list"]\r\n',
        ),
    ],
)
def test_comments_order_and_layout_stay(text: str, expected: str) -> None:
    edited = with_grant(text, HOME)
    assert edited == expected
    assert with_grant(edited, HOME) == edited


def test_names_of_any_kind_are_quoted_where_that_is_needed() -> None:
    strange = 'a "b"\\ \x7f\n\u2028'
    for peer in ("@ci", "*", "@local", "a.b", "home-2"):
        text = with_grant("a = 1\n", Addition(peer, None, {"models": [strange]}))
        assert tomllib.loads(text) == {"a": 1, "grants": {peer: {"models": [strange]}}}
        again = with_grant(text, Addition(peer, None, {"models": ["m"], "workspaces": ["w"]}))
        table = {"models": [strange, "m"], "workspaces": ["w"]}
        assert tomllib.loads(again) == {"a": 1, "grants": {peer: table}}
        assert text.splitlines()[2] in again.splitlines()


def test_nothing_is_added_twice_and_a_key_may_stay() -> None:
    twice = Addition("home", None, {"tools": ["x", "x", "read"], "agents": []})
    assert with_grant(BLOCK, twice) == BLOCK.replace('"list"]', '"list", "x"]')
    assert with_grant(BLOCK, Addition("home", None, {"tools": ["read"]})) == BLOCK


@pytest.mark.parametrize(
    "text", ["grants = 1\n", "grants.home = 1\n", "[[grants]]\na = 1\n", "[[grants.home]]\n"]
)
def test_what_is_no_table_is_left_to_a_person(text: str) -> None:
    with pytest.raises(ConfigError, match=r"grants\.home: is no table"):
        with_grant(text, HOME)


def test_a_table_on_one_line_without_the_peer_is_left_to_a_person() -> None:
    with pytest.raises(ConfigError, match=r"(?s)by hand.*\[grants\.home\].*models = ") as caught:
        with_grant("grants = {}\n", HOME)
    assert BLOCK.splitlines()[1] in str(caught.value)


NAMES = st.lists(st.text(max_size=4), max_size=3)
TABLES = st.dictionaries(st.sampled_from(["tools", "models", "agents"]), NAMES)
LAYOUTS = st.sampled_from(
    ["[grants.{0}]\n{1}", "[grants.{0}] # [grants.home]\n# c\n\n{1}# d\n", "[grants]\n{2}"]
)


@settings(max_examples=60, deadline=None)
@given(NAMES, TABLES, TABLES, LAYOUTS, st.sampled_from(["home", "@ci", "x.y"]), st.booleans())
def test_the_file_says_what_was_meant_and_all_else_it_said(
    tags: list[str],
    there: dict[str, list[str]],
    added: dict[str, list[str]],
    layout: str,
    peer: str,
    keyed: bool,
) -> None:
    def lines(prefix: str) -> str:
        return "".join(f"{prefix}{name} = {quoted(items)}\n" for name, items in there.items())

    name = f'"{peer}"'
    text = f"tags = {quoted(tags)}\n" + layout.format(name, lines(""), lines(f"{name}."))
    text += '\n# The mesh.\n[mesh]\nlisten = "[grants.home]"\n'
    before = tomllib.loads(text)
    edited = with_grant(text, Addition(peer, KEY if keyed else None, added))
    table = dict(before["grants"].get(peer, {}))
    for kind, items in added.items():
        new = [item for item in dict.fromkeys(items) if item not in table.get(kind, ())]
        if new:
            table[kind] = [*table.get(kind, ()), *new]
    if keyed:
        table["key"] = KEY
    assert tomllib.loads(edited) == {**before, "grants": {peer: table}}
    kept = set(text.splitlines()) - {line for line in text.splitlines() if " = [" in line}
    assert kept <= set(edited.splitlines())


def quoted(items: list[str]) -> str:
    chars = "".join
    escaped = [chars(f"\\U{ord(char):08x}" for char in item) for item in items]
    return f"[{', '.join(f'{chr(34)}{item}{chr(34)}' for item in escaped)}]"
