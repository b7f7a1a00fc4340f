"""No tool gets out of its root, follows a link, or opens what is no plain file."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files.folder import Folder
from clawmatrix_tool_proxy.files.rules import Rules
from clawmatrix_tool_proxy.own_places import Own
from tests.plugins.tool_proxy.files.helpers import (
    Place,
    as_ordinary_user,
    bind_mount,
    code_of,
    own_places,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = [
    "../outside",
    "{tmp}/outside",
    "../outside/secret.txt",
    "/proc/self/root",
    "/",
    "..",
    "deep/../../outside",
]


@pytest.mark.parametrize("target", TARGETS)
def test_no_link_leads_out(place: Place, target: str) -> None:
    (place.code / "deep").mkdir()
    (place.code / "link").symlink_to(target.format(tmp=place.tmp_path))
    for path in ("code/link", "code/link/secret.txt", "code/link/new.txt"):
        for work in (place.read, place.read_bytes, place.write):
            with pytest.raises(ToolError, match=r"symbolic link out of the root|lead") as caught:
                work(path)
            assert caught.value.code == "is_link"
            assert str(place.tmp_path) not in str(caught.value)
        assert code_of(lambda path=path: place.edit(path, "outside", "in")) == "is_link"  # type: ignore[misc]
    assert [file.read_text() for file in place.outside.iterdir()] == ["outside"]


def test_a_link_within_the_root_is_told_and_not_followed(place: Place) -> None:
    (place.code / "releases" / "3").mkdir(parents=True)
    (place.code / "releases" / "3" / "a").write_text("a")
    (place.code / "releases" / "current").symlink_to("./3")
    told = "code/releases/current: it is a symbolic link to code/releases/3: write that path"
    for work in (place.read, place.write):
        with pytest.raises(ToolError) as caught:
            work("code/releases/current/a")
        assert (str(caught.value), caught.value.code) == (told, "is_link")
    assert place.read("code/releases/3/a") == b"a"


def test_a_link_at_the_place_of_a_new_file_is_not_written_through(place: Place) -> None:
    (place.code / "new").symlink_to(place.outside / "made")
    assert code_of(lambda: place.write("code/new")) == "is_link"
    assert not (place.outside / "made").exists()


def test_magic_links_of_proc_are_links(place: Place) -> None:
    (place.code / "fd").symlink_to("/proc/self/fd")
    (place.code / "cwd").symlink_to("/proc/self/cwd")
    assert code_of(lambda: place.read("code/fd/0")) == "is_link"
    assert code_of(lambda: place.read("code/cwd/pyproject.toml")) == "is_link"


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
def test_only_plain_files_are_read_and_written(place: Place, kind: str) -> None:
    where = place.code / "it"
    if kind == "pipe":
        os.mkfifo(where)
    elif kind == "folder":
        where.mkdir()
    elif kind == "device":
        try:
            os.mknod(where, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # endless zeros
        except PermissionError:
            pytest.skip("only root makes devices")
    server = socket.socket(socket.AF_UNIX)
    try:
        if kind == "socket":
            descriptor = os.open(place.code, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{descriptor}/it" if Path("/proc").exists() else str(where))
            os.close(descriptor)
        for work in (place.read, place.read_bytes, place.write):
            with pytest.raises(ToolError, match=f"it is a {kind}, no file") as caught:
                work("code/it")
            assert caught.value.code == "wrong_kind"
        assert code_of(lambda: place.edit("code/it", "a", "b")) == "wrong_kind"
    finally:
        server.close()
    assert kind == "folder" or code_of(lambda: place.read("code/it/a")) == "wrong_kind"


def test_a_file_with_two_names_is_read_and_not_written(place: Place) -> None:
    (place.code / "a").hardlink_to(place.outside / "secret.txt")
    assert place.read("code/a") == b"outside"
    assert code_of(lambda: place.write("code/a")) == "many_names"
    assert code_of(lambda: place.edit("code/a", "outside", "in")) == "many_names"
    assert (place.outside / "secret.txt").read_text() == "outside"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_the_files_of_the_kernel_are_in_no_root(place: Place) -> None:
    (place.code / "proc").mkdir()
    with bind_mount(Path("/proc"), place.code / "proc") as done:
        if not done:
            pytest.skip("only root mounts")
        for path in (
            "code/proc/self/environ",
            "code/proc/version",
            "code/proc/sys/kernel/hostname",
        ):
            assert code_of(lambda path=path: place.read(path)) == "wrong_kind"  # type: ignore[misc]
            assert code_of(lambda path=path: place.write(path)) == "wrong_kind"  # type: ignore[misc]


def test_another_disk_in_a_root_is_a_part_of_it(place: Place) -> None:
    (place.code / "disk").mkdir()
    with bind_mount(place.outside, place.code / "disk") as done:
        if not done:
            pytest.skip("only root mounts")
        assert place.read("code/disk/secret.txt") == b"outside"


def test_what_the_user_of_the_node_may_not_do_is_an_error(place: Place) -> None:
    for folder in (place.tmp_path, place.code, place.notes):
        folder.chmod(0o777)
    (place.code / "secret").write_text("a")
    (place.code / "secret").chmod(0o600)
    (place.code / "told").write_text("a")
    (place.code / "closed").mkdir(mode=0o700)
    (place.code / "fixed").mkdir(mode=0o755)
    if os.geteuid() != 0:
        (place.code / "secret").chmod(0)
        (place.code / "told").chmod(0o444)
        (place.code / "closed").chmod(0)
        (place.code / "fixed").chmod(0o555)
    with as_ordinary_user():
        assert place.read("code/told") == b"a"
        for path in ("code/secret", "code/closed/a"):
            assert code_of(lambda path=path: place.read(path)) == "permission"  # type: ignore[misc]
        for path in ("code/secret", "code/told", "code/closed/a", "code/fixed/a"):
            assert code_of(lambda path=path: place.write(path)) == "permission"  # type: ignore[misc]
        assert place.write("code/new")["created"]
    (place.code / "closed").chmod(0o700)
    (place.code / "fixed").chmod(0o700)


class FoldingFolder(Folder):
    """A folder on a disk to which large and small letters are the same, as on macOS."""

    def peek(self, name: str) -> os.stat_result | None:
        return super().peek(self.spelt(name))

    def _open(self, name: str, flags: int) -> int:
        return super()._open(self.spelt(name), flags)

    def spelt(self, name: str) -> str:
        names = os.listdir(self.descriptor)
        return next((other for other in names if other.casefold() == name.casefold()), name)


def test_a_disk_that_folds_names_has_one_path_for_each_file(place: Place) -> None:
    (place.code / "README").write_text("a")
    (place.code / "Sub").mkdir()
    (place.code / ".CLAWmatrix").mkdir()
    with place.roots.visit("code") as visit:
        top = visit.top
        with FoldingFolder(
            os.dup(top.descriptor), top.path, Rules(Own(frozenset(), frozenset()), {})
        ) as folder:
            os.close(folder.file("README"))
            folder.folder("Sub").__exit__()
            for work in (lambda: folder.file("readme"), lambda: folder.look("Readme")):
                with pytest.raises(ToolError, match="on this disk it is written code/README"):
                    work()
            assert code_of(lambda: folder.folder("sub")) == "not_found"
            assert code_of(lambda: folder.folder(".clawMATRIX")) == "private"
            assert folder.look("new") is None


def test_two_names_of_one_file_are_no_folding_disk(place: Place) -> None:
    (place.code / "README").write_text("a")
    (place.code / "readme").hardlink_to(place.code / "README")
    assert place.read("code/readme") == place.read("code/README") == b"a"
    assert code_of(lambda: place.read("code/ReadMe")) == "not_found"


class LateFolder(Folder):
    """A folder in which somebody swaps a file between the look at it and its opening."""

    swap: Callable[[], object] = staticmethod(lambda: None)

    def look(self, name: str) -> os.stat_result | None:
        found = super().look(name)
        self.swap()
        return found


@pytest.mark.parametrize(
    ("kind", "code"),
    [("link", "is_link"), ("pipe", "wrong_kind"), ("folder", "wrong_kind"), ("own", "private")],
)
def test_what_was_looked_at_is_looked_at_again_once_it_is_open(
    place: Place, kind: str, code: str
) -> None:
    """A path that is checked and then opened is another file by then."""
    file = place.code / "a"
    file.write_text("a")

    def swap() -> None:
        file.unlink()
        if kind == "link":
            file.symlink_to(place.outside / "secret.txt")
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        else:
            file.hardlink_to(place.tmp_path / "home" / "clawmatrix.toml")

    with place.roots.visit("code") as visit:
        top, rules = visit.top, Rules(own_places(place.tmp_path).look(), {})
        with LateFolder(os.dup(top.descriptor), top.path, rules) as folder:
            folder.swap = swap
            with pytest.raises(ToolError) as caught:
                folder.file("a")
    assert caught.value.code == code


def test_names_of_any_language_are_names(place: Place) -> None:
    for name in ("größe", "gro\u0308ße", "文件", "👩\u200d🚀", "a b", "-rf", "*", "a;b", "$(c)"):
        place.write(f"code/{name}", name.encode())
        assert place.read(f"code/{name}") == name.encode()
    assert len(os.listdir(place.code)) == 9
