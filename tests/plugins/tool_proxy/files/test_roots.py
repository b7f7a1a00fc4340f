"""Roots: which folders can be one, and what becomes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clawmatrix_tool_proxy.files.config import RootTable
from clawmatrix_tool_proxy.files.roots import Roots
from tests.plugins.tool_proxy.files.helpers import Place, code_of, own_places, place_in


def problems(tmp_path: Path, **paths: Path) -> dict[str, str]:
    tables = {name: RootTable(path=path) for name, path in paths.items()}
    with Roots(tables, own_places(tmp_path)) as roots:
        assert set(roots.tables()) == set(paths) - set(roots.problems)
        return {name: words.partition(": ")[2] for name, words in roots.problems.items()}


def test_a_root_is_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    found = problems(tmp_path, good=tmp_path / "link", none=tmp_path / "no", file=tmp_path / "file")
    assert found == {"none": "No such file or directory", "file": "Not a directory"}


def test_a_folder_is_one_root(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    found = problems(tmp_path, one=tmp_path / "there", two=tmp_path / "link")
    [words] = found.values()
    assert words.startswith("it is the folder of the root")


@pytest.mark.parametrize("below", ["", "audit", ".clawmatrix/deep"])
def test_no_root_is_in_a_folder_of_the_node(tmp_path: Path, below: str) -> None:
    folder = tmp_path / ("home/state" if below != ".clawmatrix/deep" else "") / below
    folder.mkdir(parents=True)
    assert "of the node's own" in problems(tmp_path, own=folder)["own"]


@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="there is no /proc")
def test_no_root_is_in_the_files_of_the_kernel(tmp_path: Path) -> None:
    found = problems(tmp_path, proc=Path("/proc"), self=Path("/proc/self/task"), sys=Path("/sys"))
    assert set(found.values()) == {"the files there are the kernel's"}


@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="there is no /proc")
def test_a_root_that_is_named_through_proc_is_the_folder_that_it_leads_to(tmp_path: Path) -> None:
    through = Path(f"/proc/self/root{tmp_path}")
    assert "of the node's own" in problems(tmp_path, own=through / "home" / "state")["own"]
    assert problems(tmp_path, whole=through) == {}


def test_a_root_within_another_has_one_path_for_each_file(tmp_path: Path) -> None:
    vendor = tmp_path / "code" / "vendor"
    vendor.mkdir(parents=True)
    (vendor / "a.txt").write_text("a")
    with place_in(tmp_path, {"vendor": RootTable(path=vendor, write=False)}) as place:
        assert place.read("vendor/a.txt") == b"a"
        assert code_of(lambda: place.read("code/vendor/a.txt")) == "is_root"
        assert code_of(lambda: place.write("code/vendor/a.txt")) == "is_root"
        assert code_of(lambda: place.write("vendor/a.txt")) == "read_only"


def test_a_root_that_comes_later_is_opened_by_the_next_call(tmp_path: Path) -> None:
    tables = {"disk": RootTable(path=tmp_path / "disk")}
    with Roots(tables, own_places(tmp_path)) as roots:
        place = Place(tmp_path, roots)
        assert code_of(lambda: place.read("disk/a")) == "no_root"
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk" / "a").write_text("a")
        assert place.read("disk/a") == b"a"
        assert roots.problems == {}


def test_a_root_is_the_folder_that_was_opened_wherever_it_goes(place: Place) -> None:
    (place.code / "a").write_text("code")
    place.code.rename(place.tmp_path / "moved")
    place.code.symlink_to(place.outside)
    (place.outside / "a").write_text("outside")
    assert place.read("code/a") == b"code"


def test_a_root_that_was_removed_is_an_error(place: Place) -> None:
    place.code.rmdir()
    assert code_of(lambda: place.read("code/a")) == "not_found"
    assert code_of(lambda: place.write("code/a")) == "not_found"


def test_other_roots_take_over_and_calls_go_on_with_theirs(place: Place) -> None:
    (place.code / "a").write_text("before")
    (place.outside / "a").write_text("after")
    with place.roots.visit("code") as visit:
        place.roots.replace({"code": RootTable(path=place.outside)})
        with visit.folder(visit.top.path) as folder:
            descriptor = folder.file("a")
    assert os.read(descriptor, 10) == b"before"
    os.close(descriptor)
    assert place.read("code/a") == b"after"
    assert code_of(lambda: place.read("notes/a")) == "no_root"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with place_in(tmp_path) as place:
        (place.code / "deep" / "er").mkdir(parents=True)
        (place.code / "link").symlink_to("deep")
        for path in ("code/deep/er/a", "code/link/a", "code/none/a", "none/a", "code/deep", "code"):
            code_of(lambda path=path: place.read(path))  # type: ignore[misc]
            code_of(lambda path=path: place.write(path))  # type: ignore[misc]
            code_of(lambda path=path: place.edit(path, "a", "b"))  # type: ignore[misc]
        place.roots.replace({})
    assert len(os.listdir("/dev/fd")) == before
