"""The node's own files and folders are kept from commands, whatever the roots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_tool_proxy.exec.commands import NotStarted
from clawmatrix_tool_proxy.exec.guarding.mounted import mounted_below
from clawmatrix_tool_proxy.exec.guarding.own import Own
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking
from tests.plugins.tool_proxy.exec.lab import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

SECRET = "the secret of the node"


@pytest.fixture
def holder(lab: Lab) -> Lab:
    """A lab whose root holds a configuration, a state folder and a workspace."""
    return with_own_files(lab)


def with_own_files(lab: Lab) -> Lab:
    """Put a configuration, a state folder and a workspace into the root of a lab."""
    lab.file(lab.root / "etc" / "clawmatrix.toml", SECRET)
    lab.file(lab.root / "state" / "identity.json", SECRET)
    lab.file(lab.root / "a" / "b" / ".clawmatrix" / "index", SECRET)
    lab.file(lab.root / "plain", "plain\n")
    own = (lab.root / "etc" / "clawmatrix.toml", lab.root / "state", lab.root / "none")
    lab.changes["own"] = tuple(map(str, own))
    return lab


async def test_own_files_in_a_root_are_empty_to_a_command(holder: Lab) -> None:
    ran = await holder.sh("grep -r secret . ; cat plain; find . -type f -size +0")
    assert ran.out.split() == ["plain", "./plain"]
    assert ran.ended.exit == 0


async def test_own_files_in_a_root_are_not_written(holder: Lab) -> None:
    ran = await holder.sh(
        "echo x > etc/clawmatrix.toml; echo x > state/new; chmod 777 state a/b/.clawmatrix;"
        "rm -rf state a/b/.clawmatrix etc/clawmatrix.toml; mv state other; mv etc/clawmatrix.toml o"
    )
    assert ran.ended.exit != 0
    assert (holder.root / "etc" / "clawmatrix.toml").read_text() == SECRET
    assert (holder.root / "state" / "identity.json").read_text() == SECRET
    assert (holder.root / "a" / "b" / ".clawmatrix" / "index").read_text() == SECRET


async def test_folders_above_own_files_are_not_moved(holder: Lab) -> None:
    code = """
ways = [("a", "c"), ("a/b", "d"), ("etc", "f"), ("a/b/.clawmatrix", "x"), ("state", "a/y")]
told([tried(os.rename, *way) for way in ways] + [tried(os.rmdir, "a/b"), sorted(os.listdir())])"""
    *moved, names = (await holder.python(code)).json
    assert set(moved) <= {"EBUSY", "EXDEV"}
    assert names == ["a", "etc", "plain", "state"]
    # Else the next command would find them under names that nobody looks for.
    ran = await holder.sh("cat */.clawmatrix/index */*/.clawmatrix/index */clawmatrix.toml */key")
    assert ran.out == ""


async def test_folders_beside_own_files_are_moved(holder: Lab) -> None:
    holder.file(holder.root / "a" / "b" / "src" / "main", "text\n")
    ran = await holder.sh("mv a/b/src a/b/old && mv a/b/old new && cat new/main")
    assert (ran.out, ran.err) == ("text\n", "")


async def test_many_hidden_folders_need_no_more_descriptors_than_one(lab: Lab) -> None:
    for n in range(300):
        lab.file(lab.root / "a" / f"b{n}" / "c" / ".clawmatrix" / "index", SECRET)
    ran = await lab.sh("cat a/*/c/.clawmatrix/index; mv a/b7/c d")
    assert ran.out == ""
    assert "busy" in ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
async def test_own_folders_that_are_mounted_in_a_root_are_covered(own_lab: Lab) -> None:
    lab = own_lab
    state = lab.file(lab.base / "state" / "key", SECRET).parent
    target = lab.root / "a b" / "mounted"
    target.mkdir(parents=True)
    await anyio.run_process(["mount", "--bind", state, target])
    try:
        ran = await lab.sh("ls a*/mounted; cat a*/mounted/key", own=(str(state),))
    finally:
        await anyio.run_process(["umount", target])
    assert ran.out == ""


def test_the_table_of_mounts_is_read(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    lines = [
        "22 27 0:21 / /w/r/proc rw - proc proc rw",
        r"3 2 8:1 /x /w/r/a\040b\134c rw - e /d rw",
    ]
    table.write_text("\n".join([*lines, "4 2 8:1 / /w/root rw - ext4 /dev/x rw"]))
    assert mounted_below("/w/r", str(table)) == ["/w/r/proc", "/w/r/a b\\c"]
    assert mounted_below("/w/r", str(tmp_path / "none")) == []


async def test_mounts_cannot_be_changed(holder: Lab) -> None:
    code = """
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
told([
    tried(os.stat, "state/identity.json"),
    libc.umount2(b"state", 2) and errno.errorcode[ctypes.get_errno()],
    libc.mount(b"none", b"a", b"tmpfs", 0, None) and errno.errorcode[ctypes.get_errno()],
    libc.mount(None, b"/", None, 4096 | 32, None) and errno.errorcode[ctypes.get_errno()],
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) and errno.errorcode[ctypes.get_errno()],
    call(428, -100, b"state", 1),
    call(56 if os.uname().machine == "x86_64" else 220, CLONE_NEWUSER | 17, 0, 0, 0, 0),
    call(435, 0, 0),
    tried(os.chroot, "."),
])"""
    assert (await holder.python(code)).json == ["ENOENT", *["EPERM"] * 6, "ENOSYS", "EPERM"]


async def test_another_name_of_a_configuration_is_covered_too(holder: Lab) -> None:
    os.link(holder.root / "etc" / "clawmatrix.toml", holder.root / "notes.txt")
    assert (await holder.sh("cat notes.txt")).out == ""


async def test_own_files_are_known_by_whatever_path_leads_to_them(lab: Lab) -> None:
    lab.file(lab.root / "deep" / "state" / "key", SECRET)
    (lab.base / "way").symlink_to(lab.root / "deep")
    lab.changes["own"] = (str(lab.base / "way" / "state"),)
    assert (await lab.sh("cat deep/state/key; ls deep/state")).out == ""


@pytest.mark.parametrize("way", ["clawmatrix.toml", "way/clawmatrix.toml", "far/clawmatrix.toml"])
async def test_a_root_with_a_link_to_own_files_is_refused(lab: Lab, way: str) -> None:
    # A command could put a file of its own in the place of the link.
    own = lab.file(lab.base / "etc" / "clawmatrix.toml", SECRET)
    (lab.root / "clawmatrix.toml").symlink_to(own)
    (lab.root / "way").symlink_to(own.parent)
    (lab.base / "far").symlink_to("root/way")
    place = lab.base / way if way.startswith("far") else lab.root / way
    with pytest.raises(NotStarted, match="leads to what is the node's own") as refused:
        await lab.sh("ls", own=(str(place),))
    assert refused.value.part == "own-folders"
    roots = (place_of(lab.root, write=False),)
    assert (await lab.sh("cat clawmatrix.toml", own=(str(place),), roots=roots)).out == ""


async def test_a_new_configuration_in_the_place_of_the_old_is_covered(holder: Lab) -> None:
    job = holder.job("/bin/cat", "etc/clawmatrix.toml")
    holder.file(holder.root / "etc" / "new", SECRET).rename(holder.root / "etc" / "clawmatrix.toml")
    assert (await holder.do(job)).out == ""


async def test_own_files_in_what_is_readable_are_covered(lab: Lab) -> None:
    lab.file(lab.base / "more" / "state" / "key", SECRET)
    lab.file(lab.base / "more" / ".clawmatrix" / "key", SECRET)
    lab.changes.update(readable=(str(lab.base / "more"),), own=(str(lab.base / "more" / "state"),))
    ran = await lab.sh(f"cat {lab.base}/more/state/key {lab.base}/more/.clawmatrix/key")
    assert ran.out == ""


@pytest.mark.parametrize("inner", ["", "sub", ".clawmatrix", "sub/.clawmatrix/deep"])
async def test_a_root_in_an_own_folder_is_refused(lab: Lab, inner: str) -> None:
    root = lab.root / inner
    root.mkdir(parents=True, exist_ok=True)
    own = () if ".clawmatrix" in inner else (str(lab.root),)
    with pytest.raises(NotStarted) as refused:
        await lab.sh("ls", roots=(place_of(root),), own=own)
    assert refused.value.part == "own-folders"


async def test_a_folder_that_a_command_closed_hides_nothing_from_the_search(holder: Lab) -> None:
    await holder.sh("chmod 0 a/b")
    ran = await holder.sh("chmod 700 a/b; cat a/b/.clawmatrix/index; ls -A a/b")
    assert ran.out.split() == [".clawmatrix"]


@pytest.mark.bound("clawmatrix_tool_proxy.exec.config.FOLDERS_SEARCHED")
async def test_a_root_with_too_many_folders_to_search_is_refused(lab: Lab) -> None:
    for n in range(20):
        (lab.root / f"folder{n}").mkdir()
    assert (await lab.sh("ls | wc -l", search=21)).out.strip() == "20"
    with pytest.raises(NotStarted, match="more than 20 folders") as refused:
        await lab.sh("ls", search=20)
    assert refused.value.part == "own-folders"


def test_a_folder_of_the_command_that_cannot_be_searched_is_no_place_to_hide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    if os.geteuid() == 0:  # root searches everything, unless it has given that up
        monkeypatch.setattr(os, "scandir", _refusing(os.scandir, str(tmp_path / "closed")))
    with pytest.raises(Lacking, match="cannot be searched"):
        list(Own((), ".clawmatrix", 100).search(str(tmp_path)))


def test_a_folder_that_is_back_is_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "moved" / ".clawmatrix"
    hidden.mkdir(parents=True)
    scandir, left = os.scandir, [FileNotFoundError(2, "No such file or directory")]

    def away_at_first(path: str) -> object:
        if path == str(hidden.parent) and left:
            raise left.pop()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", away_at_first)
    assert list(Own((), ".clawmatrix", 100).search(str(tmp_path))) == [str(hidden)]
    assert left == []


def _refusing(scandir: object, closed: str) -> object:
    def refuse(path: str) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)  # type: ignore[operator]

    return refuse
