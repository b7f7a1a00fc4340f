"""The state folder: locked, private, atomic, never silently replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import LocalProtocolError, StateError
from clawmatrix_core.state.files import StateFile
from clawmatrix_core.state.folder import State, StateFolder, StateView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUE = {"list": [1, 2.5, None, True, "é"], "nested": {"empty": {}}}

HOLD = """
import sys
from pathlib import Path
from clawmatrix_core.state.folder import StateFolder
with StateFolder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""

WRITE_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from clawmatrix_core.base.errors import StateError
from clawmatrix_core.state.folder import StateFolder
with StateFolder(Path(sys.argv[1])) as folder:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        folder.write("thing", "x" * 1000)
    except StateError as error:
        print(error)
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_what_is_written_is_read(state: State) -> None:
    assert state.read("thing") is None
    state.write("thing", VALUE)
    assert state.read("thing") == VALUE
    state.write("thing", [])
    assert state.read("thing") == []
    assert state.read("other") is None


def test_what_is_read_is_a_copy(state: State) -> None:
    value = {"list": [1]}
    state.write("thing", value)
    value["list"].append(2)
    state.read("thing")["list"].append(3)
    assert state.read("thing") == {"list": [1]}


def test_what_is_not_json_is_refused_and_changes_nothing(state: State) -> None:
    state.write("thing", VALUE)
    with pytest.raises(TypeError):
        state.write("thing", {"bad": object()})
    assert state.read("thing") == VALUE


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "UPPER", "a.b", "a\n"])
def test_names_that_could_leave_the_folder_are_refused(state: State, name: str) -> None:
    for use in (state.read, state.locate, lambda name: state.write(name, 1)):
        with pytest.raises(LocalProtocolError):
            use(name)


def test_values_outlive_the_folder_object(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        folder.write("thing", VALUE)
    with StateFolder(tmp_path / "state") as folder:
        assert folder.read("thing") == VALUE


def test_the_folder_and_its_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state"
    with StateFolder(path) as folder:
        folder.write("thing", VALUE)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in path.iterdir()} == {
        "lock": 0o600,
        "thing.json": 0o600,
    }


def test_a_closed_folder_is_not_used(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    with pytest.raises(LocalProtocolError, match="not open"):
        folder.read("thing")
    with folder:
        assert repr(folder) == f"<StateFolder {folder.path}, open>"
    with pytest.raises(LocalProtocolError, match="not open"):
        folder.write("thing", VALUE)
    folder.__exit__(None, None, None)
    assert repr(folder) == f"<StateFolder {folder.path}, closed>"


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as process, pytest.raises(StateError) as caught:
        StateFolder(tmp_path).__enter__()
    told = str(caught.value)
    assert told.startswith(f"state folder {tmp_path} is in use by process {process.pid}: stop ")
    assert told.endswith("or give this node another state_dir")


def test_a_second_use_in_one_process_is_refused_too(tmp_path: Path) -> None:
    with StateFolder(tmp_path), pytest.raises(StateError, match="give each node a state_dir"):
        StateFolder(tmp_path).__enter__()


def test_a_holder_that_has_not_said_who_it_is_still_holds(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        os.truncate(tmp_path / "lock", 0)
        with pytest.raises(StateError, match="just starting"):
            StateFolder(tmp_path).__enter__()


def test_death_releases_the_lock(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as process:
        process.kill()
        process.wait()
        with StateFolder(tmp_path):
            assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_leaving_releases_the_lock(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        pass
    with held_by_another_process(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StateError, match=str(path)):
        StateFolder(path).__enter__()


def test_a_lock_that_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(StateError, match="cannot be used"):
        StateFolder(tmp_path).__enter__()


def test_a_folder_that_others_can_change_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "my state"
    path.mkdir()
    path.chmod(0o770)
    with pytest.raises(StateError, match=f"chmod 700 '{path}'"):
        StateFolder(path).__enter__()
    path.chmod(0o755)
    with StateFolder(path):
        pass


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "thing.json"
    with StateFolder(tmp_path) as folder:
        folder.write("thing", VALUE)
        file.chmod(mode)
        with pytest.raises(StateError, match=f"chmod 600 {file}"):
            folder.read("thing")
        file.chmod(0o600)
        assert folder.read("thing") == VALUE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "data": ',
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version": "1", "data": 1}',
        b'{"version": 0, "data": 1}',
    ],
)
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "thing.json"
    with StateFolder(tmp_path) as folder:
        folder.write("thing", VALUE)
        file.write_bytes(content)
        with pytest.raises(StateError, match=f"{file} is damaged"):
            folder.read("thing")
        assert file.read_bytes() == content


def test_a_newer_file_is_named_with_both_versions(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        folder.write("thing", VALUE)
        (tmp_path / "thing.json").write_text('{"version": 7, "things": {}}')
        with pytest.raises(StateError, match=r"thing\.json has version 7, .* version 1"):
            folder.read("thing")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        (tmp_path / "thing.json").mkdir(mode=0o700)
        with pytest.raises(StateError, match=r"thing\.json cannot be read"):
            folder.read("thing")


def test_a_file_that_cannot_be_replaced_is_named_and_no_draft_stays(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        (tmp_path / "thing.json").mkdir()
        with pytest.raises(StateError, match=r"thing\.json cannot be written"):
            folder.write("thing", VALUE)
    assert not (tmp_path / "thing.tmp").exists()


def test_a_draft_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        (tmp_path / "thing.tmp").mkdir()
        with pytest.raises(StateError, match=r"thing\.json cannot be written"):
            folder.write("thing", VALUE)


def test_a_full_disk_keeps_the_old_value(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        folder.write("thing", VALUE)
    command = [sys.executable, "-c", WRITE_ON_A_FULL_DISK, str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "thing.json cannot be written" in output
    with StateFolder(tmp_path) as folder:
        assert folder.read("thing") == VALUE
    assert not (tmp_path / "thing.tmp").exists()


def test_a_draft_left_by_a_crash_does_not_matter(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        draft = tmp_path / "thing.tmp"
        draft.write_text("half of someth")
        draft.chmod(0o644)
        folder.write("thing", VALUE)
        assert folder.read("thing") == VALUE


def test_the_files_of_the_core_are_looked_at_where_no_others_are_given(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(StateError, match=r"identity\.json is damaged"):
        StateFolder(tmp_path).__enter__()
    with StateFolder(tmp_path, ()):
        pass


def test_of_two_files_of_one_name_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with StateFolder(path) as folder:
        folder.write("dice", "mine")
    files = [StateFile("dice"), StateFile("dice", (lambda _: "spoilt",))]
    with StateFolder(path, files) as folder:
        assert folder.read("dice") == "mine"
    assert StateView(path, files).read("dice") == "mine"
