"""Text as a terminal may show it."""

from __future__ import annotations

import json
import sys

import pytest

from clawmatrix_core.base.plain_text import escaped, json_text, printable

NASTY = {
    "a control character of Latin-1": "\x9b",
    "DEL": "\x7f",
    "escape": "\x1b",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "an override of direction": "\u202e",
    "an isolate of direction": "\u2066",
    "the mark of the end of it": "\u2069",
    "an Arabic letter mark": "\u061c",
    "a space without width": "\u200b",
    "a joiner without width": "\u200d",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a tag character": "\U000e0041",
    "a selector of a variant": "\ufe0f",
    "one of 240 more": "\U000e0100",
    "a selector of Mongolian": "\u180b",
    "a joiner of graphemes": "\u034f",
    "a filler of Hangul": "\u3164",
    "a narrow one": "\uffa0",
    "a leading one": "\u115f",
    "a vowel of Khmer that is not shown": "\u17b4",
    "Braille without a dot": "\u2800",
    "a note without a head": "\U0001d159",
    "a lone surrogate": "\ud800",
    "a space that does not break": "\u00a0",
}


@pytest.mark.parametrize("char", NASTY.values(), ids=NASTY)
def test_what_people_do_not_see_is_replaced_or_escaped(char: str) -> None:
    assert printable(f"a{char}b") == "a\ufffdb"
    assert escaped(f"a{char}b").isascii()
    assert json.loads(f'"{escaped(char)}"') == char
    shown = json_text({"x": [char, char * 2]}, indent=2)
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == {"x": [char, char * 2]}


def test_what_people_see_stays_as_it_is() -> None:
    seen = 'grüße 你好 שלום "quoted" ● 🦀'
    assert printable(seen) == escaped(seen) == seen
    assert json_text([seen]) == json.dumps([seen], ensure_ascii=False)


def test_no_character_at_all_leaves_json_unprintable_or_changed() -> None:
    surrogates = range(0xD800, 0xE000)  # a pair of them in a row means another character
    every = "".join(chr(code) for code in range(sys.maxunicode + 1) if code not in surrogates)
    shown = json_text(every)
    whole, printed = json.loads(shown) == every, shown.isprintable()
    assert whole
    assert printed
