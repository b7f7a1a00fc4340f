"""What people are shown of a call hides nothing from them."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given

from clawmatrix_core import LOCAL
from clawmatrix_grants.approvals.table import Approval
from clawmatrix_grants.approvals.words import (
    SHORT,
    approval_json,
    line,
    read_approval,
    visible,
    whole,
)
from tests.plugins.grants.approvals.helpers import call_of
from tests.plugins.grants.approvals.test_call import VALUES, same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

NOW = 1_800_000_000.0

HIDDEN = {
    "a terminal's escape": "\x1b[2K\x1b[1G",
    "a carriage return": "\r",
    "a backspace": "\b",
    "delete": "\x7f",
    "a C1 control": "\x9b",
    "right to left": "\u202e",
    "an isolate": "\u2066",
    "the mark of Arabic letters": "\u061c",
    "no width": "\u200b",
    "a joiner": "\u200d",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\xad",
    "a space that does not break": "\xa0",
    "a separator of lines": "\u2028",
    "a filler of Hangul": "\u3164",
    "a half one": "\uffa0",
    "a pattern without dots": "\u2800",
    "a selector of variants": "\ufe0f",
    "one more": "\U000e0100",
    "a tag": "\U000e0041",
    "half a pair": "\ud83d",
    "a private character": "\ue000",
}


def read(approval: Approval) -> Mapping[str, JSON]:
    """Return an approval as it comes over the control socket."""
    return read_approval(msgspec.json.decode(msgspec.json.encode(approval_json(approval))))


def shown(arguments: JSON, **other: JSON) -> list[str]:
    approval = Approval("a1", call_of(arguments, **other), "pending", NOW - 12, NOW + 600)
    return list(whole(read(approval), NOW))


@pytest.mark.parametrize("name", HIDDEN)
def test_what_nobody_would_see_is_escaped(name: str) -> None:
    text = HIDDEN[name]
    for lines in (
        shown({"argv": [f"a{text}b"]}),
        shown({text: 1}),
        shown({}, target=f"a{text}b"),
        shown({}, rule=f"a{text}b"),
    ):
        found = "\n".join(lines)
        assert text not in found
        assert "\\" in found
        assert all(char == "\n" or " " <= char <= "~" for char in found)


def test_all_of_unicode_is_shown_or_escaped() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if not visible(char)[1:-1].startswith("\\") and char not in " !":
            assert unicodedata.category(char)[0] in "LMNPS", f"U+{code:04X}"


@given(VALUES)
def test_what_is_shown_says_exactly_what_was_asked(value: JSON) -> None:
    text = visible(value, indent=2)
    assert same(json.loads(text), value)
    assert visible(value) == visible(json.loads(text))


def test_an_escape_in_the_text_itself_looks_different() -> None:
    assert visible("\u202e") == r'"\u202e"'
    assert visible(r"\u202e") == r'"\\u202e"'


def test_readable_text_stays_readable() -> None:
    for text in ("naïve", "日本語", "שלום", "हिन्दी", "🙂", "a b"):
        assert visible(text) == f'"{text}"'


def test_a_call_is_shown_whole() -> None:
    long = "x" * 100_000
    lines = shown({"argv": ["make", long], "cwd": "code/src"})
    assert lines[:4] == [
        "a1: waits, asked 12 s ago, ends 2027-01-15 08:10:00 UTC",
        '  home asks for the tool "exec"',
        f"  key: {call_of().key}",
        "  rule: grants: grants.home.rules[0]",
    ]
    assert long in lines[4]
    assert '\n    "cwd": "code/src"\n' in lines[4]
    assert "  key: none, it is a client of this node" in shown({}, peer=LOCAL, key=None)


def test_a_list_shortens_arguments_and_says_so() -> None:
    approval = Approval("a1", call_of({"text": "x" * 200}), "pending", NOW, NOW + 600)
    text = line(read(approval), NOW)
    assert "\n" not in text
    assert text.endswith(f"... ({212 - SHORT} characters more: approvals show a1)")
    short = line(read(Approval("a1", call_of(), "pending", NOW, NOW + 600)), NOW)
    assert short.endswith('{"argv": ["make", "test"]}')


def test_decisions_are_told() -> None:
    for state, repeats, words in (
        ("allowed", False, "allowed once"),
        ("allowed", True, "allowed any number of times"),
        ("refused", False, "refused"),
    ):
        approval = Approval("a1", call_of(), state, NOW - 60, NOW + 600, repeats)  # type: ignore[arg-type]
        assert f'a1  home  tool "exec"  {words} 1 min ago, ends' in line(read(approval), NOW)
