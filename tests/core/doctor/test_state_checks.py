"""What is found of a state folder that cannot be used, each fault made for real."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.doctor.state_checks import look_at_files, look_at_folder, look_at_lock
from clawmatrix_core.state.files import CORE_FILES, StateFile
from clawmatrix_core.state.folder import StateFolder, StateView

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534

LOOK = """
import json, sys
from pathlib import Path
from clawmatrix_core.doctor.state_checks import look_at_folder
[found] = look_at_folder(Path(sys.argv[1]))
print(json.dumps([found.status, found.detail, found.advice]))
"""


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be a user whom the modes of files hold for; return a folder that it may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        shutil.rmtree(folder)


def folder_status(path: Path) -> tuple[str, str, str | None]:
    [found] = look_at_folder(path)
    assert found.name == "state.folder"
    return found.status, found.detail, found.advice


def test_a_folder_that_can_be_used_is_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    assert folder_status(tmp_path)[:2] == ("ok", f"{tmp_path} can be written")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_made_by_the_first_start(tmp_path: Path) -> None:
    status, detail, _ = folder_status(tmp_path / "one" / "two")
    assert status == "ok"
    assert "the first start makes it" in detail
    assert not (tmp_path / "one").exists()


def test_a_folder_that_cannot_be_made_is_a_problem() -> None:
    with unprivileged() as folder:
        folder_of_root = folder / "state"
        status, detail, advice = (
            folder_status(folder_of_root)
            if os.getuid() == 0
            else folder_status(Path("/proc/nowhere/state"))
        )
    assert status == "problem"
    assert "cannot be made" in detail
    assert "give it to the user of the node" in str(advice)


def test_a_file_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert folder_status(tmp_path / "state")[1] == f"{tmp_path / 'state'} is not a folder"
    status, detail, _ = folder_status(tmp_path / "state" / "below")
    assert (status, "Not a directory" in detail) == ("problem", True)


def test_a_folder_that_others_can_write_in_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    status, detail, advice = folder_status(tmp_path)
    assert (status, advice) == ("problem", f"chmod 700 {tmp_path}")
    assert "other users can write" in detail


def test_a_folder_of_another_user_is_a_problem() -> None:
    with unprivileged() as folder:
        if os.getuid() != 0:
            folder.chmod(0o500)
        status, detail, advice = folder_status(folder)
    assert (status, detail) == ("problem", f"{folder} cannot be used: Permission denied")
    assert "chown -R USER" in str(advice)


def in_a_process(script: str, *arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return json.loads(done.stdout)


def test_a_process_that_may_write_no_files_is_told_so(tmp_path: Path) -> None:
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100
    status, detail, advice = in_a_process(limit + LOOK, tmp_path)
    assert (status, detail) == ("problem", f"{tmp_path} cannot be used: File too large")
    assert "limits of the process" in advice


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=64k,mode=700 none "$1" || exit 77
[ -n "$3" ] && head -c 1M /dev/zero > "$1/filling" 2>/dev/null
exec "$2" -c "$4" "$1"
"""


@pytest.mark.parametrize("full", [True, False])
def test_a_disk_that_is_full_or_nearly_so_is_told(tmp_path: Path, full: bool) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh"]
    done = subprocess.run(
        [*own, tmp_path, sys.executable, "full" if full else "", LOOK],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode in (1, 77):
        pytest.skip("this machine lets nobody mount a disk of their own")
    status, detail, advice = json.loads(done.stdout)
    assert advice == f"make room: df -h {tmp_path}"
    if full:
        assert (status, detail.partition(":")[0]) == ("problem", f"the disk of {tmp_path} is full")
    else:
        assert (status, detail) == ("warning", f"0.1 MiB are free on the disk of {tmp_path}")


# --- the lock


def test_another_process_that_uses_the_folder_is_named(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from clawmatrix_core.state.folder import StateFolder\n"
        "with StateFolder(Path(sys.argv[1])):\n    print('locked', flush=True)\n    input()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        [found] = look_at_lock(tmp_path)
        process.communicate("\n", timeout=20)
    assert (found.name, found.status) == ("state.lock", "problem")
    assert found.detail.startswith(f"process {process.pid} uses {tmp_path}")
    assert list(look_at_lock(tmp_path)) == []


def test_looking_at_the_lock_leaves_it_free(tmp_path: Path) -> None:
    assert list(look_at_lock(tmp_path)) == []
    assert not (tmp_path / "lock").exists()
    with StateFolder(tmp_path):
        assert len(list(look_at_lock(tmp_path))) == 1
    with StateFolder(tmp_path):
        pass


# --- the files


def test_files_that_can_be_read_are_even_while_another_process_has_them(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        state.write("epoch", 3)
        [found] = look_at_files(tmp_path, CORE_FILES)
        assert StateView(tmp_path).read("epoch") == 3
    assert (found.status, found.detail) == ("ok", "every file in it can be read")


def test_each_file_that_cannot_be_used_is_named_with_what_helps(tmp_path: Path) -> None:
    contents = {
        "identity": '{"version": 9, "data": {}}',
        "epoch": "{ half a file",
        "trust": '{"version": 1, "data": {}}',
    }
    for name, text in contents.items():
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        path.chmod(0o644 if name == "trust" else 0o600)
    newer, damaged, open_ = look_at_files(tmp_path, CORE_FILES)
    assert [one.status for one in (newer, damaged, open_)] == ["problem"] * 3
    assert "identity.json has version 9" in newer.detail
    assert "update ClawMatrix" in str(newer.advice)
    assert "epoch.json is damaged" in damaged.detail
    assert "backup" in str(damaged.advice)
    assert f"chmod 600 {tmp_path / 'trust.json'}" in open_.detail


def test_looking_upgrades_nothing(tmp_path: Path) -> None:
    (tmp_path / "coop.json").write_text('{"version": 1, "data": 1}')
    (tmp_path / "coop.json").chmod(0o600)
    newer = StateFile("coop", upgrades=(lambda value: value + 1,))
    assert [found.status for found in look_at_files(tmp_path, [newer])] == ["ok"]
    assert StateView(tmp_path, [newer]).read("coop") == 2
    assert json.loads((tmp_path / "coop.json").read_text())["version"] == 1
