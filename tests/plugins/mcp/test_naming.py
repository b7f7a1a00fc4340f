"""Names by which MCP clients call tools, and texts without what nobody sees."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core import is_node_id
from clawmatrix_mcp.naming import LENGTH, clean_text, offered_name

IDS = st.text("ab_-.", min_size=1, max_size=6).filter(is_node_id) | st.text(
    "abc_-.", min_size=20, max_size=64
).filter(is_node_id)
TOOLS = st.text("ab_-.", min_size=1, max_size=6) | st.text("abc_-", min_size=20, max_size=64)
KEYS = st.sampled_from(["ed25519:one", "ed25519:two"])
WHOSE = st.tuples(IDS, KEYS, TOOLS)


def test_a_name_that_fits_is_plain() -> None:
    assert offered_name("office", "k", "read") == "office__read"
    assert offered_name("my-laptop", "k", "db_query_all") == "my-laptop__db_query_all"
    assert offered_name("o", "k", "a__b") == "o__a__b"


@pytest.mark.parametrize(
    ("node", "tool"),
    [
        ("of__fice", "read"),
        ("office_", "read"),
        ("of.fice", "read"),
        ("office", "re.ad"),
        ("office", "r" * 60),
        ("o" * 64, "read"),
        ("office", "read-abcdefghijkl"),
    ],
)
def test_another_name_carries_a_digest_of_key_and_tool(node: str, tool: str) -> None:
    name = offered_name(node, "k", tool)
    assert re.fullmatch(r"[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*__[A-Za-z0-9_-]+-[a-z2-7]{12}", name)
    assert len(name) <= LENGTH
    assert name != offered_name(node, "other", tool)
    assert name != offered_name(node, "k", tool + "x")


@given(WHOSE, WHOSE)
def test_no_two_tools_have_one_name(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    first, second = offered_name(*one), offered_name(*other)
    for name in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
        assert len(name) <= LENGTH
        assert "__" in name
    # One name has one key at a time, and one key one name.
    if (one[0] == other[0]) == (one[1] == other[1]) and one != other:
        assert first != second


def test_what_nobody_sees_is_left_out() -> None:
    hidden = "".join(map(chr, (*range(0xE0041, 0xE005B), 0x200B, 0x202E, 0xFE0F, 0xE000, 0x3164)))
    assert clean_text(f"one{hidden}two\x1b[0m\x85") == "onetwo[0m"
    assert clean_text("a\tb\nç 漢字 é") == "a\tb\nç 漢字 é"
    assert clean_text("\ud800x") == "x"


@given(st.text())
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert all(one in "\n\t" or one.isprintable() or one.isspace() for one in clean if one < "\xa0")
