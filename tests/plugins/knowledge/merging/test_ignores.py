"""Which files take part, beside what git says of the same trees."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING, TypeAlias

import pytest

from clawmatrix_knowledge.merging.ignores import Ignores

if TYPE_CHECKING:
    from pathlib import Path

Texts: TypeAlias = "dict[tuple[tuple[str, ...], str], str]"
TREES = int(os.environ.get("CLAWMATRIX_IGNORE_TREES", "60"))
NAMES = ("a", "b", "c.txt", "d.log", "dir", "x y", "é", "build", "A.md")
PARTS = ("*", "?", "a", "b", "*.txt", "*.log", "dir", "build", "[ab]", "**", "a*", "[!a]", "d?log")


@pytest.mark.parametrize(
    ("path", "folder", "out"),
    [
        ("notes.md", False, False),
        (".env", False, True),
        (".config/x", False, False),
        (".config/y/z", False, False),
        (".gitignore", False, False),
        ("deep/.clawignore", False, False),
        (".git/config", False, True),
        ("x/.clawmatrix/state", False, True),
        ("x/.CLAWMATRIX", True, True),
        ("build", True, True),
        ("build/x", False, True),
        ("kept.log", False, False),
        ("other.log", False, True),
        ("sub/other.log", False, False),
        ("theirs", True, True),
        ("theirs/x", False, True),
    ],
)
def test_what_is_left_out(path: str, folder: bool, out: bool) -> None:
    texts = {
        ((), ".gitignore"): "build/\n*.log\r\nkept.md\n",
        ((), ".clawignore"): "!kept.log\n!.config\n",
        (("sub",), ".gitignore"): "!other.log\n",
    }
    ignores = Ignores(texts, frozenset({("theirs",)}))
    assert ignores.ignored(path.split("/"), folder=folder) is out


def test_a_pattern_of_many_stars_is_no_trap() -> None:
    ignores = Ignores({((), ".gitignore"): "a*" * 40 + "b\n" + "**/a*" * 40 + "/b\n"})
    assert not ignores.ignored(["a" * 250], folder=False)


def _pattern(rng: random.Random) -> str:
    parts = "/".join(rng.choice(PARTS) for _ in range(rng.choice([1, 1, 1, 2, 3])))
    return ("/" if rng.random() < 0.25 else "") + parts + ("/" if rng.random() < 0.25 else "")


def _laid_out(rng: random.Random, root: Path) -> tuple[set[str], Texts]:
    paths = set[str]()
    for _ in range(rng.randint(3, 10)):
        path = root.joinpath(*(rng.choice(NAMES) for _ in range(rng.randint(1, 4))))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:  # there is a file in the place of a folder
            continue
        if path.is_file():
            paths.add(path.relative_to(root).as_posix())
    texts: Texts = {}
    for folder in {(), *(tuple(path.split("/")[:-1]) for path in sorted(paths)[:2])}:
        text = "".join(f"{_pattern(rng)}\n" for _ in range(rng.randint(1, 4)))
        root.joinpath(*folder, ".gitignore").write_text(text)
        texts[folder, ".gitignore"] = text
    return paths, texts


def test_trees_are_read_as_git_reads_them(tmp_path: Path) -> None:
    """Without lines that let files in again: the page says how those differ."""
    rng = random.Random(1)
    subprocess.run(["git", "init", "-q", tmp_path / "repository"], check=True)
    for number in range(TREES):
        root = tmp_path / str(number)
        root.mkdir()
        paths, texts = _laid_out(rng, root)
        command = ["git", "check-ignore", "-z", "--no-index", "--stdin"]
        repository = str(tmp_path / "repository/.git")
        where = {**os.environ, "GIT_DIR": repository, "GIT_WORK_TREE": str(root)}
        told = subprocess.run(
            command,
            cwd=root,
            env=where,
            input="\0".join(sorted(paths)).encode(),
            capture_output=True,
            check=False,
        )
        by_git = {path for path in told.stdout.decode().split("\0") if path}
        ignores = Ignores(texts)
        ours = {path for path in paths if ignores.ignored(path.split("/"), folder=False)}
        assert ours == by_git, (ours ^ by_git, texts)
