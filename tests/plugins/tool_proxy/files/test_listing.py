"""The tool ``list``: what is there, in one order, and what was left out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_tool_proxy.files import tree as tree_module
from clawmatrix_tool_proxy.files.config import RootTable
from clawmatrix_tool_proxy.files.globs import Glob
from clawmatrix_tool_proxy.files.listing import LISTED, Listing, list_roots
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.tree import DEPTH, Tree
from tests.plugins.tool_proxy.files.helpers import Place, as_ordinary_user, code_of, place_in

if TYPE_CHECKING:
    from pathlib import Path


def listing(
    place: Place,
    path: str = "code",
    depth: int = 1,
    *,
    pattern: str | None = None,
    ignored: bool = False,
    most: int = LISTED,
    size: int = 10**6,
) -> Any:
    tree = Tree(depth, 1.0, lambda: 0.0, ignored=ignored)
    glob = None if pattern is None else Glob.parse(pattern)
    work = Listing(place.roots, RootPath.parse(path), tree, most, size, glob)
    assert b"".join(work) == b""
    return work.facts


def paths(facts: Any) -> list[str]:
    return [entry["path"].removeprefix("code/") for entry in facts["entries"]]


@pytest.fixture
def tree(place: Place) -> Place:
    for file in ("a.py", "b/c.py", "b/d/e.md", "b.txt", "node_modules/x/y.py", ".git/config"):
        (place.code / file).parent.mkdir(parents=True, exist_ok=True)
        (place.code / file).write_text(file)
        os.utime(place.code / file, (0, 0))
    (place.code / ".gitignore").write_text("node_modules/\n*.md\n")
    return place


def test_the_roots_are_listed(place: Place) -> None:
    assert list_roots(place.roots) == {
        "entries": [
            {"path": "code", "kind": "root", "write": True},
            {"path": "notes", "kind": "root", "write": False},
        ],
        "cut": None,
    }


def test_a_folder_is_listed_by_the_bytes_of_its_names(tree: Place) -> None:
    facts = listing(tree)
    assert paths(facts) == [".git", ".gitignore", "a.py", "b", "b.txt", "node_modules"]
    assert facts["cut"] is None
    assert facts["entries"][2] == {
        "path": "code/a.py",
        "kind": "file",
        "size": 4,
        "modified": "1970-01-01T00:00:00Z",
    }
    assert facts["entries"][3]["kind"] == "folder"


def test_what_git_leaves_out_is_named_and_not_entered(tree: Place) -> None:
    facts = listing(tree, depth=9)
    assert paths(facts) == [
        ".git", ".gitignore", "a.py", "b", "b/c.py", "b/d", "b/d/e.md", "b.txt", "node_modules",
    ]  # fmt: skip
    ignored = [entry["path"] for entry in facts["entries"] if entry.get("ignored")]
    assert ignored == ["code/.git", "code/b/d/e.md", "code/node_modules"]
    assert "node_modules/x/y.py" in paths(listing(tree, depth=9, ignored=True))
    assert paths(listing(tree, "code/node_modules", depth=9)) == [
        "node_modules/x",
        "node_modules/x/y.py",
    ]


def test_a_pattern_chooses(tree: Place) -> None:
    assert paths(listing(tree, depth=9, pattern="*.py")) == ["a.py", "b/c.py"]
    assert paths(listing(tree, depth=9, pattern="b/*")) == ["b/c.py", "b/d"]
    assert paths(listing(tree, "code/b", depth=9, pattern="d/**")) == ["b/d/e.md"]
    assert paths(listing(tree, "code/b", depth=9, pattern="c*")) == ["b/c.py"]


def test_a_file_is_an_entry(tree: Place) -> None:
    assert paths(listing(tree, "code/b/c.py")) == ["b/c.py"]
    assert code_of(lambda: listing(tree, "code/none")) == "not_found"


def test_links_and_odd_things_are_named(place: Place) -> None:
    (place.code / "in").symlink_to("sub/../x")
    (place.code / "out").symlink_to("../outside")
    os.mkfifo(place.code / "pipe")
    entries = listing(place, depth=3)["entries"]
    assert entries == [
        {"path": "code/in", "kind": "link", "leads_to": "code/x"},
        {"path": "code/out", "kind": "link", "leads_to": None},
        {"path": "code/pipe", "kind": "pipe"},
    ]


def test_a_root_within_another_is_named_and_not_entered(tmp_path: Path) -> None:
    (tmp_path / "code" / "sub").mkdir(parents=True)
    (tmp_path / "code" / "sub" / "a").touch()
    with place_in(tmp_path, {"sub": RootTable(path=tmp_path / "code" / "sub")}) as place:
        facts = listing(place, depth=9)
        assert facts["entries"] == [{"path": "code/sub", "kind": "root"}]
        assert "closed" not in facts


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"caf\xe9", r"code/caf\xe9"),
        (b"a\nb", r"code/a\x0ab"),
        (b"a\\b", r"code/a\x5cb"),
        ("a\u202eb".encode(), r"code/a\u202eb"),
    ],
)
def test_a_name_that_no_path_can_have_is_shown_and_opens_nothing(
    place: Place, name: bytes, told: str
) -> None:
    where = os.path.join(os.fsencode(place.code), name)
    os.mkdir(where)
    with open(os.path.join(where, b"a"), "w"):
        pass
    facts = listing(place, depth=9)
    assert [(entry["path"], entry["unfit"]) for entry in facts["entries"]] == [(told, True)]
    assert code_of(lambda: place.read(f"{told}/a")) == "bad_path"


def test_what_cannot_be_opened_is_counted(place: Place) -> None:
    place.code.chmod(0o755)
    (place.code / "closed").mkdir(mode=0o700 if os.geteuid() == 0 else 0)
    with as_ordinary_user():
        facts = listing(place, depth=9)
    assert paths(facts) == ["closed"]
    assert facts["closed"] == 1
    (place.code / "closed").chmod(0o700)


def test_a_list_that_is_cut_says_so(place: Place) -> None:
    for n in range(120):
        (place.code / f"{n:05d}").touch()
    facts = listing(place, most=3)
    assert (paths(facts), facts["cut"]) == (["00000", "00001", "00002"], "entries")
    assert listing(place, most=120)["cut"] is None
    small = listing(place, size=10_000)
    assert 50 < len(small["entries"]) < 100
    assert small["cut"] == "entries"


@pytest.mark.bound(
    "clawmatrix_tool_proxy.files.tree.TREE", "clawmatrix_tool_proxy.files.tree.FOLDER"
)
@pytest.mark.parametrize(("bound", "cut"), [("TREE", "files"), ("FOLDER", "folder")])
def test_a_large_tree_is_looked_at_in_part(
    place: Place, monkeypatch: pytest.MonkeyPatch, bound: str, cut: str
) -> None:
    for n in range(20):
        (place.code / f"{n:02d}").touch()
    monkeypatch.setattr(tree_module, bound, 10)
    facts = listing(place, pattern="1*")
    assert (paths(facts), facts["cut"]) == ([], cut)
    assert len(listing(place)["entries"]) == 10


@pytest.mark.bound("clawmatrix_tool_proxy.files.tree.DEPTH")
def test_a_deep_tree_is_looked_at_down_to_a_depth(place: Place) -> None:
    deep = place.code
    for _ in range(DEPTH + 5):
        deep /= "d"
    deep.mkdir(parents=True)
    facts = listing(place, depth=DEPTH)
    assert len(facts["entries"]) == DEPTH
    assert facts["cut"] == "depth"
    assert listing(place, depth=3)["cut"] is None, "that is what was asked for"
    assert len(listing(place, "code/" + "d/" * DEPTH, depth=DEPTH)["entries"]) == 5


def test_a_list_ends_when_its_time_is_over(place: Place) -> None:
    for n in range(20):
        (place.code / f"{n:02d}").touch()
    times = iter(range(100))
    tree = Tree(1, 5.0, lambda: float(next(times)))
    work = Listing(place.roots, RootPath("code"), tree, 100, 10**6)
    list(work)
    assert work.facts["cut"] == "time"
    assert 0 < len(work.entries) < 10


def test_two_lists_at_once_see_all_of_a_root(place: Place) -> None:
    for n in range(500):
        (place.code / f"{n}").touch()
    with (
        place.roots.visit("code") as one,
        place.roots.visit("code") as other,
        os.scandir(one.top.descriptor) as entries,
    ):
        next(entries)
        assert len(other.top.names(1000)[0]) == 500
        assert len(list(entries)) == 499
