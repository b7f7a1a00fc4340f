"""What patterns match, and that hostile ones take no longer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_grants.globs import DOUBLE_STARS, LENGTH, Glob, is_plain, literal
from tests.plugins.grants.naive import matches

SIZE = 65_536


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("code", ["code"], ["", "cod", "code ", "Code", "code/"]),
        ("", [""], ["a"]),
        ("*", ["", "a", "a\nb"], ["/", "a/b"]),
        ("**", ["", "/", "a/b\n/c"], []),
        ("*.py", ["x.py", ".py"], ["a/x.py", "x.pyc", "xpy"]),
        ("**.py", ["x.py", "a/x.py"], ["a/x.pyc"]),
        ("code/*", ["code/", "code/a"], ["code", "code/a/b", "xcode/a"]),
        ("code/**", ["code", "code/", "code/a/b"], ["codex", "cod", "a/code/b"]),
        ("code/src/**/x", ["code/src/x", "code/src/a/b/x"], ["code/srcx", "code/src/ax"]),
        ("**/git", ["git", "/usr/bin/git"], ["agit", "git/x"]),
        ("**/x/**", ["x", "a/x", "x/b", "a/b/x/c/d"], ["ax/b", "a/xb"]),
        ("a/**/b*/**/b2", ["a/b1/b2", "a/b2/b2"], ["a/b2"]),
        ("a**b", ["ab", "axb", "a/b", "ax/y/zb"], ["a/bc", "xab"]),
        ("--file=**", ["--file=", "--file=/etc/x"], ["--fil="]),
        ("/usr/*/x", ["/usr/bin/x"], ["usr/bin/x", "/usr/x", "/usr/a/b/x"]),
        ("a?c", ["abc", "a.c"], ["ac", "a/c", "abbc"]),
        ("[ab]x", ["ax", "bx"], ["cx", "abx"]),
        ("[!ab]x", ["cx"], ["ax", "/x", "x"]),
        ("[a-c]*", ["b", "bz"], ["d", "b/"]),
        ("[[]id].ts", ["[id].ts"], ["id.ts", "i.ts"]),
        ("[*]", ["*"], ["a"]),
        ("x[z-a]", [], ["x", "xz"]),
        ("x.y(z)+", ["x.y(z)+"], ["xxy(z)+"]),
    ],
)
def test_a_pattern_is_over_the_whole_text(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = Glob(pattern)
    assert [text for text in yes if not glob.matches(text)] == []
    assert [text for text in no if glob.matches(text)] == []


def test_in_a_name_a_star_stands_for_a_slash_too() -> None:
    for pattern in ("*", "**", "meta-llama/*", "*llama*", "meta?llama*", "meta-[a-z]*"):
        assert Glob(pattern, paths=False).matches("meta-llama/Llama-3:8b")
    assert not Glob("*", paths=True).matches("meta-llama/Llama-3:8b")
    assert not Glob("llama*", paths=False).matches("meta-llama")


words = st.text("ab/*?[]!.-", max_size=12)


@given(words, st.text("ab/.]", max_size=12), st.booleans())
def test_a_pattern_means_what_an_evaluator_written_apart_says(
    pattern: str, text: str, paths: bool
) -> None:
    try:
        glob = Glob(pattern, paths=paths)
    except ValueError:
        return
    assert glob.matches(text) == matches(pattern, text, paths=paths)
    assert not glob.matches(text) or text.startswith(glob.prefix)


@given(st.text(max_size=40))
def test_the_literal_of_a_text_matches_it_and_no_other(text: str) -> None:
    glob = Glob(literal(text))
    assert glob.fixed == text
    assert glob.matches(text)
    assert not glob.matches(f"{text}a")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("x[ab", 'a "[" without its "]"'),
        ("[!]", 'a "[" without its "]"'),
        ("a[b/c]d", 'a "[" without its "]"'),
        ("a**b**c**d**e", f"more than {DOUBLE_STARS} times"),
        ("a" * (LENGTH + 1), f"{LENGTH} are the most"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        Glob(pattern)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("code/src/a.py", True),
        ("a..b/c", True),
        (".git/x", True),
        ("https://host/x", True),
        ("/usr/bin", True),
        ("code/../x", False),
        ("../x", False),
        ("code/.", False),
        ("./x", False),
        ("..", False),
        ("code//x", False),
        ("//x", False),
    ],
)
def test_a_path_that_leads_elsewhere_is_known(path: str, plain: bool) -> None:
    assert is_plain(path) is plain


HOSTILE = [
    ("*a" * 40 + "b", "a" * SIZE),
    ("**/" + "a/**/" * 30 + "b", "a/" * (SIZE // 2)),
    ("a**a**a**b", "a" * SIZE),
    ("**a**a**a", "a/" * (SIZE // 2)),
    ("?*" * 100 + "b", "a" * SIZE),
    ("[a-b]*" * 50 + "c", "ab" * (SIZE // 2)),
    ("**/*a*/**/*a*b/**/z", "aaaa/" * (SIZE // 5)),
    ("*" + "a" * 100 + "b*c", "a" * SIZE),
    ("**/*" + "a*" * 50 + "/x/**/y", ("a" * 100 + "/") * (SIZE // 101)),
    ("**/**/**/**/**/**/x", "/" * SIZE),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
@pytest.mark.parametrize("paths", [True, False])
def test_a_hostile_pattern_takes_no_time_that_anybody_notices(
    pattern: str, text: str, paths: bool
) -> None:
    glob = Glob(pattern, paths=paths)
    began = time.process_time()
    glob.matches(text)
    assert time.process_time() - began < 1.0, "one that tried each way would take years"
