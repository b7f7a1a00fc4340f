"""A scan tells what changed, and takes nothing for gone that it could not see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs
import pytest

from clawmatrix_knowledge.files.memory import Fault, MemoryFiles
from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.scanning import Scan, Seen, scan
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.versions import VersionId
from tests.plugins.knowledge.files.conftest import tokens
from tests.plugins.knowledge.files.helpers import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clawmatrix_knowledge.files.port import Files

pytestmark = [pytest.mark.anyio]


def learned(scan: Scan, known: Mapping[str, Seen] | None = None) -> dict[str, Seen]:
    """Return what is known after a scan, all of it old."""
    seen = dict(known or {})
    for path, found in scan.changed.items():
        seen[path] = Seen(VersionId(path), found.content, found.stat)
    seen.update({path: attrs.evolve(one, young=False) for path, one in scan.touched.items()})
    for path in scan.gone:
        del seen[path]
    return seen


def kinds(scan: Scan) -> list[tuple[str, str]]:
    return [(problem.path, problem.kind) for problem in scan.problems]


async def test_new_files_are_read_and_known_ones_are_not(tree: Tree) -> None:
    write(tree.files, "a.md", b"hello")
    write(tree.files, "deep/er/b.bin", b"\0" * 1_500_000)
    first = await scan(tree, {})
    assert set(first.changed) == {"a.md", "deep/er/b.bin"}
    found = first.changed["a.md"]
    assert (found.content, found.text, found.young) == (content_id(b"hello"), True, True)
    assert not first.changed["deep/er/b.bin"].text
    assert first.changed["deep/er/b.bin"].content.startswith("b")
    again = await scan(tree, learned(first))
    assert (again.changed, again.touched, again.gone, again.files) == ({}, {}, [], 2)


async def test_edits_bits_and_deletions_are_told(tree: Tree) -> None:
    for path in ("a.md", "b.md", "c.md", "d/e.md"):
        write(tree.files, path, b"old")
    known = learned(await scan(tree, {}))
    write(tree.files, "a.md", b"new")
    with tree.files.open(("b.md",), "write") as handle:
        handle.set(0o755, None)
    write(tree.files, "c.md", b"old")
    tree.files.unlink(("d", "e.md"))
    tree.files.remove_folder(("d",))
    found = await scan(tree, known)
    assert set(found.changed) == {"a.md", "b.md"}
    assert set(found.touched) == {"c.md"}
    assert found.gone == ["d/e.md"]
    assert found.changed["b.md"].stat.executable


async def test_a_young_file_is_read_again(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    first = await scan(tree, {})
    found = first.changed["a.md"]
    assert found.young
    other = Seen(VersionId("v"), content_id(b"before"), found.stat)
    assert not (await scan(tree, {"a.md": other})).changed
    young = attrs.evolve(other, young=True)
    assert set((await scan(tree, {"a.md": young})).changed) == {"a.md"}


async def test_a_file_that_became_a_folder_is_gone_and_the_other_way(tree: Tree) -> None:
    write(tree.files, "a", b"file")
    write(tree.files, "b/c", b"file")
    known = learned(await scan(tree, {}))
    tree.files.unlink(("a",))
    tree.files.unlink(("b", "c"))
    tree.files.remove_folder(("b",))
    write(tree.files, "a/d", b"file")
    write(tree.files, "b", b"file")
    found = await scan(tree, known)
    assert found.gone == ["a", "b/c"]
    assert set(found.changed) == {"a/d", "b"}


async def test_ignored_files_are_neither_read_nor_gone(tree: Tree) -> None:
    for path in ("a.md", "secret.txt", "build/x", "deep/keep", "deep/drop", ".hidden", ".env/x"):
        write(tree.files, path, b"x")
    known = learned(await scan(tree, {}))
    assert set(known) == {"a.md", "secret.txt", "build/x", "deep/keep", "deep/drop"}
    write(tree.files, ".gitignore", b"secret.txt\nbuild/\n")
    write(tree.files, "deep/.clawignore", b"drop\n")
    write(tree.files, "other/.git/HEAD", b"ref")
    write(tree.files, "other/file", b"x")
    tree.files.unlink(("secret.txt",))
    found = await scan(tree, known)
    assert set(found.changed) == {".gitignore", "deep/.clawignore"}
    assert found.gone == []
    assert found.left_out == {"secret.txt", "build/x", "deep/drop"}
    assert found.ignores.ignored(("build", "new"), folder=False)
    assert found.ignores.ignored(("other", "new"), folder=False)


async def test_only_places_that_are_asked_for_are_looked_at(tree: Tree) -> None:
    for path in ("a.md", "b.md", "deep/c.md", "deep/d.md", "deep/er/e.md", ".gitignore"):
        write(tree.files, path, b"old")
    known = learned(await scan(tree, {}))
    for path in ("a.md", "deep/c.md", "deep/er/e.md"):
        write(tree.files, path, b"newer")
    tree.files.unlink(("b.md",))
    tree.files.unlink(("deep", "d.md"))
    found = await scan(tree, known, only=[("deep", "c.md"), ("b.md",)])
    assert set(found.changed) == {"deep/c.md"}
    assert found.gone == ["b.md"]
    found = await scan(tree, known, only=[("deep",)])
    assert set(found.changed) == {"deep/c.md", "deep/er/e.md"}
    assert found.gone == ["deep/d.md"]
    found = await scan(tree, known, only=[(".gitignore",)])
    assert set(found.changed) == {"a.md", "deep/c.md", "deep/er/e.md"}
    found = await scan(tree, known, only=[("never", "was")])
    assert (found.changed, found.gone) == ({}, [])


async def test_names_in_another_form_are_one_file(tree: Tree) -> None:
    written, path = "cafe\u0301", "caf\xe9"
    write(tree.files, f"{written}/{written}.md", b"old")
    first = await scan(tree, {})
    assert set(first.changed) == {f"{path}/{path}.md"}
    only = [(written, f"{written}.md")]
    assert (await scan(tree, learned(first), only=only)).gone == []
    tree.files.unlink(only[0])
    assert (await scan(tree, learned(first), only=only)).gone == [f"{path}/{path}.md"]


async def test_two_forms_of_one_name_are_a_problem_and_not_gone(tree: Tree) -> None:
    write(tree.files, "caf\xe9.md", b"one")
    known = learned(await scan(tree, {}))
    write(tree.files, "cafe\u0301.md", b"two")
    found = await scan(tree, known)
    assert kinds(found) == [("caf\xe9.md", "form")]
    assert (found.gone, set(found.unread)) == ([], {"caf\xe9.md"})


async def test_names_that_differ_in_case_are_noted(tree: Tree) -> None:
    write(tree.files, "a.md", b"one")
    write(tree.files, "A.md", b"two")
    found = await scan(tree, {})
    assert set(found.changed) == {"a.md", "A.md"}
    assert [(one.kind, one.is_note) for one in found.problems] == [("clash", True)]


async def test_names_that_cannot_be_synced_are_told(tree: Tree) -> None:
    write(tree.files, os.fsdecode(b"bad\xff.md"), b"x")
    write(tree.files, "a\nb", b"x")
    deep = "/".join(["n" * 200] * 6)
    write(tree.files, deep, b"x")
    write(tree.files, "good.md", b"x")
    found = await scan(tree, {})
    assert set(found.changed) == {"good.md"}
    assert kinds(found) == [("a\nb", "name"), ("bad\\xff.md", "name"), (deep, "name")]


async def test_a_file_that_is_too_large_is_told_and_not_gone(tree: Tree) -> None:
    write(tree.files, "a.bin", b"x" * 100)
    known = learned(await scan(tree, {}))
    found = await scan(tree, known, largest=99)
    assert kinds(found) == [("a.bin", "large")]
    assert (found.changed, found.gone, set(found.unread)) == ({}, [], {"a.bin"})


async def test_a_large_file_is_read_in_parts(tree: Tree) -> None:
    data = b"0123456789abcdef" * 1_100_000
    write(tree.files, "a.bin", data)
    found = (await scan(tree, {})).changed["a.bin"]
    assert (found.content, found.stat.size) == (content_id(data), len(data))


async def test_a_file_with_several_names_is_noted(tree: Tree) -> None:
    write(tree.files, "a.md", b"one")
    tree.files.link(("a.md",), ("b.md",))
    found = await scan(tree, {})
    assert set(found.changed) == {"a.md", "b.md"}
    assert [(one.kind, one.is_note) for one in found.problems] == [("link", True)] * 2


# What only a file system in memory does.


async def memory(files: MemoryFiles | None = None) -> tuple[MemoryFiles, Tree]:
    files = files or MemoryFiles(clock=iter(range(10**18, 2 * 10**18, 1000)).__next__)
    return files, await Tree.open(files, tokens())


@pytest.mark.parametrize("number", [5, 13])
@pytest.mark.parametrize("does", ["list", "stat", "open", "read"])
async def test_what_cannot_be_read_is_not_gone(does: str, number: int) -> None:
    files, tree = await memory()
    write(files, "deep/a.md", b"x")
    write(files, "b.md", b"x")
    known = {
        path: attrs.evolve(seen, young=True) for path, seen in learned(await scan(tree, {})).items()
    }
    names = ("deep",) if does == "list" else ("deep", "a.md")
    files.faults.append(Fault(number, names, does))
    found = await scan(tree, known)
    assert (found.gone, set(found.unread)) == ([], {"deep/a.md"})
    assert [problem.kind for problem in found.problems] == ["failed" if number == 5 else "refused"]


async def test_nothing_below_an_ignore_file_that_cannot_be_read_is_read() -> None:
    files, tree = await memory()
    write(files, "deep/.gitignore", b"secret\n")
    write(files, "deep/secret", b"x")
    files.faults.append(Fault(13, ("deep", ".gitignore")))
    found = await scan(tree, {})
    assert found.changed == {}
    assert kinds(found) == [("deep", "refused")]


async def test_nothing_below_an_ignore_file_that_is_too_large_is_read() -> None:
    files, tree = await memory()
    write(files, "deep/.gitignore", b"x\n" * 40_000)
    write(files, "deep/secret", b"x")
    found = await scan(tree, {})
    assert found.changed == {}
    assert "more than 65536 bytes" in found.problems[0].reason


async def test_a_root_that_cannot_be_listed_ends_the_scan() -> None:
    files, tree = await memory()
    files.faults.append(Fault(5, (), "list"))
    with pytest.raises(OSError, match="Input/output"):
        await scan(tree, {})


async def test_a_mount_that_went_takes_nothing_along_and_comes_back() -> None:
    files, tree = await memory()
    write(files, "disk/a.md", b"x")
    write(files, "deep/disk/b.md", b"x")
    files.mount(("disk",), 2)
    files.mount(("deep", "disk"), 3)
    first = await scan(tree, {})
    assert first.mounts == {"disk": 2, "deep/disk": 3}
    known = learned(first)
    one = files.unmount(("disk",))
    files.put_node(("deep", "disk"), None)
    for mounts in (first.mounts, dict.fromkeys(first.mounts, 0)):
        found = await scan(tree, known, mounts=mounts)
        assert found.gone == []
        assert found.unread == set(known)
        assert kinds(found) == [("deep/disk", "mount"), ("disk", "mount")]
        assert found.mounts == mounts
    files.put_node(("disk",), one)
    files.mount(("disk",), 2)
    found = await scan(tree, known, mounts=found.mounts)
    assert found.unread == {"deep/disk/b.md"}
    files.mount(("disk",), 9)
    assert kinds(await scan(tree, known, mounts=first.mounts, only=[("disk",)])) == [
        ("disk", "mount")
    ]
    found = await scan(tree, known, mounts=first.mounts, only=[("deep", "x")])
    assert found.mounts == first.mounts


async def test_a_mount_over_known_files_hides_them() -> None:
    files, tree = await memory()
    write(files, "disk/a.md", b"x")
    known = learned(await scan(tree, {}))
    files.unmount(("disk",))
    files.mount(("disk",), 2)
    write(files, "disk/b.md", b"y")
    found = await scan(tree, known)
    assert (found.changed, found.gone, set(found.unread)) == ({}, [], {"disk/a.md"})
    assert kinds(found) == [("disk", "mount")]


async def test_a_new_mount_is_read() -> None:
    files, tree = await memory()
    write(files, "disk/a.md", b"x")
    files.mount(("disk",), 2)
    found = await scan(tree, {})
    assert set(found.changed) == {"disk/a.md"}


async def test_a_file_that_moves_while_it_is_read_waits() -> None:
    files, tree = await memory()
    write(files, "a.md", b"old")

    def append(does: str, names: tuple[str, ...]) -> None:
        if does == "sync" and names == ("a.md",):
            write(files, "a.md", b"longer")

    files.watch = append
    found = await scan(tree, {})
    assert found.changed == {}
    assert kinds(found) == [("a.md", "moving")]


async def test_what_was_read_is_on_the_disk_before_anybody_hears_of_it() -> None:
    files, tree = await memory()
    write(files, "new/a.md", b"text")
    await scan(tree, {})
    files.crash()
    with files.open(("new", "a.md")) as handle:
        assert handle.read(0, 10) == b"text"


async def test_a_renamed_case_is_seen_where_case_does_not_count() -> None:
    files = MemoryFiles(
        clock=iter(range(10**18, 2 * 10**18, 1000)).__next__, ignores_case=True, ignores_form=True
    )
    _, tree = await memory(files)
    assert tree.traits.ignores_case
    write(files, "FOO.md", b"x")
    known = learned(await scan(tree, {}))
    files.rename(("FOO.md",), ("foo.md",))
    for only in (None, [("FOO.md",), ("foo.md",)]):
        found = await scan(tree, known, only=only)
        assert (set(found.changed), found.gone) == ({"foo.md"}, ["FOO.md"])


# What only a disk does.


async def real(root: Path) -> Tree:
    os.makedirs(root, exist_ok=True)
    return await Tree.open(RealFiles(root), tokens())


async def test_links_and_special_files_are_told_and_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    tree = await real(root)
    (root / "was.md").write_text("x")
    (root / "folder").mkdir()
    (root / "folder" / "in.md").write_text("x")
    known = learned(await scan(tree, {}))
    (root / "was.md").unlink()
    (root / "was.md").symlink_to("/etc/passwd")
    (root / "folder").rename(tmp_path / "elsewhere")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(root / "pipe")
    found = await scan(tree, known)
    assert (found.changed, found.gone) == ({}, [])
    assert found.unread == {"was.md", "folder/in.md"}
    assert kinds(found) == [("folder", "link"), ("pipe", "special"), ("was.md", "link")]


async def test_a_root_that_is_not_there_ends_the_scan(tmp_path: Path) -> None:
    tree = await real(tmp_path / "root")
    (tmp_path / "root").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        await scan(tree, {})


def files_are_files(files: Files) -> None:
    """Both are what the port says: mypy looks at this."""


files_are_files(MemoryFiles())
