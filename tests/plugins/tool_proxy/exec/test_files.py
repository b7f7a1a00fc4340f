"""What commands may read and write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.exec.commands import NotStarted
from tests.plugins.tool_proxy.exec.lab import PYTHON, place_of

if TYPE_CHECKING:
    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

SECRET = "the secret of the node"


async def test_a_command_reads_and_writes_in_its_root(lab: Lab) -> None:
    ran = await lab.sh("echo one > a && cat a && mkdir b && mv a b && ls b && rm -r b && pwd")
    assert ran.out.split() == ["one", "a", str(lab.root)]
    assert ran.err == ""
    assert ran.ended.exit == 0


async def test_shell_metacharacters_reach_a_program_as_they_are(lab: Lab) -> None:
    attacks = ["; touch pwned", "$(touch pwned)", "`touch pwned`", "| tee pwned", "&& touch pwned"]
    attacks += ["> pwned", "\ntouch pwned\n", "$HOME", "*", "-n", "--", "%s", "'", '"', "\\"]
    ran = await lab.run("/usr/bin/printf", "%s\\0", *attacks)
    assert ran.out.split("\0")[:-1] == attacks
    assert list(lab.root.iterdir()) == []


async def test_nothing_outside_of_the_root_is_read(lab: Lab) -> None:
    secret = lab.file(lab.base / "state" / "key", SECRET)
    names = [secret, secret.parent, lab.base, "/etc/shadow", "/root", "/home", "/dev/kmsg", "/run"]
    ran = await lab.sh(f"for f in {' '.join(map(str, names))}; do cat $f; ls $f/; done")
    assert ran.out == ""
    assert SECRET not in ran.err


async def test_nothing_outside_of_the_root_is_changed(lab: Lab) -> None:
    victim = lab.file(lab.base / "victim", SECRET)
    before = victim.stat()
    code = f"""
path, folder = {str(victim)!r}, {str(lab.base)!r}
told([
    tried(os.open, path, os.O_WRONLY), tried(os.open, path, os.O_WRONLY | os.O_TRUNC),
    tried(os.truncate, path, 0), tried(os.chmod, path, 0o666), tried(os.chown, path, 1, 1),
    tried(os.utime, path, (1, 1)), tried(os.setxattr, path, "user.x", b"1"),
    tried(os.unlink, path), tried(os.rename, path, path + "2"), tried(os.link, path, "link"),
    tried(os.rename, path, "moved"), tried(os.mkdir, folder + "/new"),
    tried(os.symlink, "/", folder + "/new"), tried(os.mkfifo, folder + "/new"),
    tried(os.chmod, folder, 0o777), tried(os.chmod, "/tmp", 0o777), tried(os.mkdir, "/dev/x"),
])"""
    ran = await lab.python(code)
    assert set(ran.json) <= {"EACCES", "EROFS", "EPERM", "EXDEV"}
    after = victim.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
    )
    assert victim.read_text() == SECRET
    assert list(lab.root.iterdir()) == []


async def test_a_link_leads_no_further_than_its_target(lab: Lab) -> None:
    lab.file(lab.base / "state" / "key", SECRET)
    (lab.root / "way").symlink_to(lab.base / "state")
    ways = "cat way/key; cat /proc/self/root$PWD/../state/key; ls way/"
    ran = await lab.sh(f"{ways}; echo x > way/new")
    assert ran.out == ""
    assert [path.name for path in (lab.base / "state").iterdir()] == ["key"]


async def test_a_root_for_reading_is_not_written(lab: Lab) -> None:
    lab.file(lab.root / "inner" / "note", "text\n")
    lab.changes["roots"] = (place_of(lab.root / "inner", write=False),)
    ran = await lab.sh("cat note; echo x > note; chmod 777 note; touch new; ls")
    assert ran.out.split() == ["text", "note"]
    assert ran.err.count("Permission denied") + ran.err.count("Read-only") == 3


async def test_a_root_for_reading_stays_so_inside_one_for_writing(lab: Lab) -> None:
    note = lab.file(lab.root / "inner" / "note", "text\n")
    lab.changes["roots"] = (place_of(lab.root), place_of(lab.root / "inner", write=False))
    writes = "echo x > inner/note; chmod 666 inner/note; echo y > outer"
    ran = await lab.sh(f"cat inner/note; {writes}; cat outer")
    assert ran.out.split() == ["text", "y"]
    assert note.read_text() == "text\n"
    assert note.stat().st_mode & 0o777 == 0o600


async def test_home_and_temporary_files_are_private_and_do_not_stay(lab: Lab) -> None:
    writes = "touch $HOME/a $TMPDIR/b /dev/shm/c; mkdir -m 0 $HOME/d"
    ran = await lab.sh(f"echo $HOME $TMPDIR; {writes}; ls $HOME $TMPDIR")
    home, temporary, *names = ran.out.split()
    assert {"a", "b", "d"} <= set(names)
    kept = Path(home), Path(temporary).parent, Path("/dev/shm/c")
    assert [path for path in kept if path.exists()] == []


async def test_temporary_files_without_a_path_do_not_stay(lab: Lab) -> None:
    code = """
os.chdir(os.environ["TMPDIR"])
for _ in range(1500):
    os.mkdir("folder"); open("file", "w").close(); os.chdir("folder")
os.chmod(".", 0)
print("made")"""
    job = lab.job(PYTHON, "-I", "-c", f"import os{code}")
    assert (await lab.do(job)).out == "made\n"
    assert _is_gone(job.private)


async def test_a_private_folder_in_a_root_for_writing_is_refused(lab: Lab) -> None:
    # Another command there could put a link in its place while it is made.
    inside = str(lab.root / "clawmatrix-x")
    with pytest.raises(NotStarted, match="clawmatrix-x is in") as refused:
        await lab.sh("pwd", private=inside)
    assert refused.value.part == "private folder"
    assert _is_gone(inside)
    roots = (place_of(lab.root, write=False),)
    assert (await lab.sh("echo $HOME", private=inside, roots=roots)).out == f"{inside}/home\n"


async def test_a_command_leaves_no_file_that_runs_as_its_owner(lab: Lab) -> None:
    code = """
def made(mode):
    for name in ("a", "b"):
        if os.path.exists(name):
            os.unlink(name)
    os.close(os.open("a", os.O_CREAT | os.O_WRONLY, 0o700))
    number = 259 if os.uname().machine == "x86_64" else 33
    return [
        tried(os.chmod, "a", mode), tried(lambda: os.fchmod(os.open("a", 0), mode)),
        call(452, -100, b"a", mode, 0), call(number, -100, b"b", mode | 0o100000, 0),
        tried(lambda: os.open("c", os.O_CREAT | os.O_WRONLY, mode) and None),
        tried(lambda: os.open(".", os.O_TMPFILE | os.O_WRONLY, mode) and None),
    ]
told([made(0o4700), made(0o2070), [f for f in os.listdir() if os.stat(f).st_mode & 0o6000]])"""
    assert (await lab.python(code)).json == [["EPERM"] * 6, ["EPERM"] * 6, []]
    assert (await lab.python(code.replace("0o4700", "0o755"))).json[0] == [
        None,
        None,
        0,
        0,
        None,
        None,
    ]


async def test_python_has_its_semaphores_in_shared_memory_of_its_own(lab: Lab) -> None:
    code = "import multiprocessing as m\nwith m.Pool(2) as p: told(p.map(abs, [-1, 2]))"
    assert (await lab.python(code)).json == [1, 2]


async def test_what_is_readable_beside_the_roots_is_named(lab: Lab) -> None:
    tool = lab.file(lab.base / "tools" / "note", "a note")
    ran = await lab.sh(f"cat {tool}", readable=(str(tool.parent),))
    assert ran.out == "a note"
    assert (await lab.sh(f"echo x > {tool}", readable=(str(tool.parent),))).ended.exit != 0
    assert tool.read_text() == "a note"


async def test_a_command_starts_in_a_folder_of_its_root(lab: Lab) -> None:
    lab.file(lab.root / "a" / "b" / "note", "")
    assert (await lab.sh("pwd; ls", cwd=("a", "b"))).out.split() == [f"{lab.root}/a/b", "note"]


async def test_a_command_starts_behind_no_link(lab: Lab) -> None:
    (lab.root / "way").symlink_to("/")
    for cwd in (("way",), ("way", "usr"), ("none",)):
        with pytest.raises(NotStarted) as refused:
            await lab.sh("pwd", cwd=cwd)
        assert refused.value.part == "cwd"


async def test_another_folder_in_the_place_of_a_root_is_refused(lab: Lab) -> None:
    job = lab.job("/bin/pwd")
    lab.root.rename(lab.base / "old")
    for link in (True, False):
        if link:
            lab.root.symlink_to("/")
        else:
            lab.root.mkdir()
        with pytest.raises(NotStarted) as refused:
            await lab.do(job)
        assert refused.value.part == "root"
        if link:
            lab.root.unlink()


async def test_a_program_that_is_not_there_is_told(lab: Lab) -> None:
    for argv in ((str(lab.root / "none"),), ("/etc/passwd",), (str(lab.base),)):
        with pytest.raises(NotStarted) as refused:
            await lab.run(*argv)
        assert refused.value.part == "start"


def _is_gone(path: str) -> bool:
    return not Path(path).exists()
