"""State files of other versions: newer ones are refused, older ones brought up to date."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import NewerStateError, StateError
from clawmatrix_core.state.files import StateFile
from clawmatrix_core.state.folder import StateFolder

if TYPE_CHECKING:
    from pathlib import Path

OLD = ["Martha"]
FIRST = StateFile("birds")


def name_them(birds: list[str]) -> dict[str, list[str]]:
    return {"names": birds}


def count_them(birds: dict[str, list[str]]) -> dict[str, Any]:
    return {**birds, "count": len(birds["names"])}


SECOND = StateFile("birds", (name_them,))
THIRD = StateFile("birds", (name_them, count_them))


def keep(path: Path, file: StateFile, value: object) -> None:
    with StateFolder(path, [file]) as folder:
        folder.write(file.name, value)


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != "lock"}


def test_the_version_of_a_file_counts_its_upgrades(tmp_path: Path) -> None:
    for file, version in ((FIRST, 1), (SECOND, 2), (THIRD, 3)):
        folder = tmp_path / str(version)
        keep(folder, file, OLD)
        stored = json.loads((folder / "birds.json").read_text())
        assert stored == {"version": version, "data": OLD}


@pytest.mark.parametrize(("old", "value"), [(FIRST, OLD), (SECOND, {"names": OLD})])
def test_an_older_file_goes_through_each_upgrade_it_lacks(
    tmp_path: Path, old: StateFile, value: object
) -> None:
    keep(tmp_path, old, value)
    with StateFolder(tmp_path, [THIRD]) as folder:
        assert folder.read("birds") == {"names": OLD, "count": 1}
    assert json.loads((tmp_path / "birds.json").read_text())["version"] == 3
    assert {*content(tmp_path)} == {"birds.json"}, "the old one was not tidied away"


def test_a_file_of_the_present_version_is_left_as_it_is(tmp_path: Path) -> None:
    keep(tmp_path, SECOND, {"names": OLD})
    before = (tmp_path / "birds.json").stat()
    with StateFolder(tmp_path, [SECOND]):
        pass
    assert (tmp_path / "birds.json").stat().st_mtime_ns == before.st_mtime_ns


def test_a_newer_file_is_refused_before_any_other_is_changed(tmp_path: Path) -> None:
    keep(tmp_path, StateFile("ants"), OLD)
    keep(tmp_path, THIRD, OLD)
    before = content(tmp_path)
    ants = StateFile("ants", (name_them,))
    with pytest.raises(NewerStateError, match=r"birds\.json has version 3, .* version 2"):
        StateFolder(tmp_path, [ants, SECOND]).__enter__()
    assert content(tmp_path) == before
    with StateFolder(tmp_path, [ants, THIRD]) as folder:  # the refused one has let go of the lock
        assert folder.read("ants") == {"names": OLD}


def test_a_file_without_sense_for_its_upgrade_is_named_and_kept(tmp_path: Path) -> None:
    keep(tmp_path, SECOND, {"nothing": True})
    before = content(tmp_path)
    with pytest.raises(StateError, match=r"birds\.json cannot be brought .* 2 to 3: KeyError; put"):
        StateFolder(tmp_path, [THIRD]).__enter__()
    assert content(tmp_path) == before


def test_the_old_file_lies_beside_the_new_one_until_that_is_written(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, OLD)
    before = (tmp_path / "birds.json").read_bytes()
    (tmp_path / "birds.tmp").mkdir()  # where the new one is drafted
    with pytest.raises(StateError, match=r"birds\.json cannot be written"):
        StateFolder(tmp_path, [SECOND]).__enter__()
    backup = tmp_path / "birds.v1.bak"
    assert (tmp_path / "birds.json").read_bytes() == backup.read_bytes() == before
    assert backup.stat().st_mode & 0o777 == 0o600

    (tmp_path / "birds.tmp").rmdir()
    with StateFolder(tmp_path, [SECOND]) as folder:
        assert folder.read("birds") == {"names": OLD}
    assert not backup.exists()


def test_a_backup_left_by_a_crash_is_tidied_away(tmp_path: Path) -> None:
    keep(tmp_path, SECOND, {"names": OLD})
    (tmp_path / "birds.v1.bak").write_text("half of someth")
    with StateFolder(tmp_path, [SECOND]):
        pass
    assert {*content(tmp_path)} == {"birds.json"}


@pytest.mark.parametrize("version", ["true", "0", "-1", "1.5", '"1"', "null"])
def test_a_version_that_is_none_is_damage(tmp_path: Path, version: str) -> None:
    keep(tmp_path, FIRST, OLD)
    (tmp_path / "birds.json").write_text(f'{{"version": {version}, "data": []}}')
    with pytest.raises(StateError, match="is damaged") as caught:
        StateFolder(tmp_path, [FIRST]).__enter__()
    assert not isinstance(caught.value, NewerStateError)
