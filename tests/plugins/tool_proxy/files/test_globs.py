"""Patterns of names, and what ``.gitignore`` leaves out."""

from __future__ import annotations

import fnmatch
import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files.globs import PATTERN, Glob
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.tree import Tree

if TYPE_CHECKING:
    from tests.plugins.tool_proxy.files.helpers import Place


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", "a.py b/c.py .py", "a.pyc b.py/c"),
        ("b/*.py", "b/c.py", "c.py a/b/c.py b/d/c.py"),
        ("/a", "a", "b/a"),
        ("**/a", "a b/a b/c/a", "ab"),
        ("a/**", "a/b a/b/c", "a b/a/c"),
        ("a/**/b", "a/b a/c/b a/c/d/b", "b a/bb"),
        ("a/**/**/b", "a/b a/c/d/b", "a"),
        ("[ab]?", "ax bx", "a cx axx"),
        ("[!ab]", "c", "a b"),
        ("[^ab]", "c", "a b"),
        (r"\*", "*", "a"),
        ("*", "a .a", ""),
        ("[", "[", "a"),
    ],
)
def test_a_pattern_stands_for_paths(pattern: str, yes: str, no: str) -> None:
    glob = Glob.parse(pattern)
    assert [path for path in yes.split() if not glob.matches(path.split("/"))] == []
    assert [path for path in no.split() if glob.matches(path.split("/"))] == []


@pytest.mark.parametrize("pattern", ["", "/", "//", "a" * (PATTERN + 1)])
def test_what_is_no_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(ToolError) as caught:
        Glob.parse(pattern)
    assert caught.value.code == "bad_pattern"


@given(
    st.text(alphabet="a*?[]!^-\\{}(|)+.$b", min_size=1, max_size=12),
    st.text(alphabet="ab-!]", max_size=4),
)
def test_any_text_is_a_pattern(pattern: str, name: str) -> None:
    Glob.parse(pattern).matches([name])


@given(
    st.lists(st.sampled_from(["**", "a", "b", "*"]), min_size=2, max_size=5),
    st.lists(st.sampled_from("ab"), min_size=1, max_size=5),
)
def test_stars_for_folders_are_as_a_naive_matcher_has_them(
    pattern: list[str], names: list[str]
) -> None:
    def naive(parts: tuple[str, ...], rest: tuple[str, ...]) -> bool:
        if not parts:
            return not rest
        if parts[0] == "**":
            least = 1 if len(parts) == 1 else 0
            return any(naive(parts[1:], rest[n:]) for n in range(least, len(rest) + 1))
        return bool(rest) and fnmatch.fnmatchcase(rest[0], parts[0]) and naive(parts[1:], rest[1:])

    assert Glob.parse("/".join(pattern)).matches(names) == naive(tuple(pattern), tuple(names))


@pytest.mark.parametrize(
    "pattern", ["*a" * 200 + "b", "**/*a/" * 60 + "b", "*?" * 120 + "b", "[a]*" * 120 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    glob = Glob.parse(pattern)
    before = time.process_time()
    assert not glob.matches(["a" * 255] * 64)
    assert time.process_time() - before < 1


FILES = [
    "a",
    "b.py",
    "d/a",
    "d/b.py",
    "d/e/a",
    "d/e/c.txt",
    "x y",
    "build/o",
    "d/build/o",
    "#a",
    "!a",
]
RULES = [
    "a", "/a", "*.py", "!b.py", "d/", "d/*", "!d/e", "!d/e/", "d/**/c.txt", "**/build", "build/",
    "e", "d/e", "# a", r"\#a", r"\!a", "x y", "a ", "[a-c]", "*", "!*.txt", "/*/", "d/**", "",
]  # fmt: skip


def kept(place: Place) -> set[str]:
    """Return the files that are not left out."""
    tree = Tree(9, 1.0, lambda: 0.0)
    with place.roots.visit("code") as visit:
        items = [item for item in tree.items(visit, RootPath("code")) if item.kind == "file"]
        return {"/".join(item.path.parts) for item in items if not item.ignored}


@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_out_is_what_git_leaves_out(place: Place, seed: int) -> None:
    if subprocess.run(["git", "init", "-q", str(place.code)], capture_output=True).returncode != 0:
        pytest.skip("there is no git")
    for file in FILES:
        (place.code / file).parent.mkdir(parents=True, exist_ok=True)
        (place.code / file).write_text(file)
    choose = random.Random(seed)
    for where in (place.code, place.code / "d"):
        (where / ".gitignore").write_text("\n".join(choose.sample(RULES, choose.randint(1, 4))))
    command = ["git", "-C", str(place.code), "ls-files", "-z", "--others", "--exclude-standard"]
    told = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert kept(place) == set(told.split("\0")) - {""}


def test_files_of_rules_above_the_folder_count(place: Place) -> None:
    (place.code / "a" / "b").mkdir(parents=True)
    for name in ("x.py", "y.md"):
        (place.code / "a" / "b" / name).touch()
    (place.code / ".gitignore").write_text("*.md\n")
    (place.code / "a" / ".gitignore").write_text("b/x.py\n")
    tree = Tree(9, 1.0, lambda: 0.0)
    with place.roots.visit("code") as visit:
        items = list(tree.items(visit, RootPath.parse("code/a/b")))
    assert [(item.name, item.ignored) for item in items] == [("x.py", True), ("y.md", True)]


def test_rules_of_somebody_else_take_no_time(place: Place) -> None:
    rule = "*a" * 100 + "b"
    (place.code / ".gitignore").write_text("\n".join([rule] * 1000) + "\n" + "x" * 100_000)
    for n in range(20):
        (place.code / ("a" * 200 + str(n))).touch()
    before = time.process_time()
    assert len(kept(place)) == 21
    assert time.process_time() - before < 2


def test_rules_that_cannot_be_read_leave_nothing_out(place: Place) -> None:
    (place.code / ".gitignore").mkdir()
    (place.code / "a").touch()
    assert kept(place) == {"a"}
