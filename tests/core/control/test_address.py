"""Where the control socket is: in a folder of the user's own, and noted in the state folder."""

from __future__ import annotations

import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.control import address
from clawmatrix_core.control.address import (
    NOTE,
    SERVER,
    SocketPlace,
    control_socket_path,
    control_socket_paths,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="cm") as folder:
        yield Path(folder).resolve()


def test_the_control_socket_is_in_the_runtime_folder(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    path = control_socket_path(tmp_path / "state", environ)
    assert path.parent == tmp_path / "clawmatrix"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path == control_socket_path(tmp_path / "x" / ".." / "state", environ)
    assert path != control_socket_path(tmp_path / "other", environ)


@pytest.mark.parametrize("runtime", ["", "relative", "/nowhere/at/all", "long"])
def test_without_a_runtime_folder_it_is_in_a_private_one_under_temp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cm") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        environ = {"XDG_RUNTIME_DIR": str(long) if runtime == "long" else runtime}
        path = control_socket_path(Path("/state"), environ)
        assert path.parent == Path(short) / f"clawmatrix-{os.getuid()}"
        assert len(os.fsencode(path)) < 100


def _open_to_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def _a_link(folder: Path) -> None:
    real = folder.with_name("real")
    real.mkdir(mode=0o700)
    folder.symlink_to(real)


def _a_file(folder: Path) -> None:
    folder.touch()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which the runtime folder is the only one that may be used."""
    private = f"clawmatrix-{os.getuid()}"
    for folder in ("temp", "tmp"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / private).touch()  # somebody was there first
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.setattr(address, "_TEMP", tmp_path / "tmp")
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_open_to_others, "run chmod 700"),
        (_a_link, "not a folder of this user's own"),
        (_a_file, "cannot make the folder"),
    ],
)
def test_without_a_folder_that_can_be_used_it_is_in_the_state_folder(
    tmp_path: Path, places: dict[str, str], spoil: Callable[[Path], None], why: str
) -> None:
    state = tmp_path / "state"
    assert control_socket_path(state, places).parent == tmp_path / "clawmatrix"
    (tmp_path / "clawmatrix").rmdir()
    spoil(tmp_path / "clawmatrix")
    found = SocketPlace.find(state, places)
    assert found.path == state / "control.sock"
    assert why in found.passed_over[0]
    assert len(found.passed_over) == 3


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_passed_over(
    tmp_path: Path, places: dict[str, str]
) -> None:
    (tmp_path / "clawmatrix").mkdir(mode=0o500)
    [why, *_] = SocketPlace.find(tmp_path / "state", places).passed_over
    assert "cannot be written to" in why


def test_no_folder_for_temporary_files_is_needed(
    tmp_path: Path, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    found = SocketPlace.find(tmp_path / "state", {"XDG_RUNTIME_DIR": "/nowhere"})
    assert found.path == tmp_path / "state" / "control.sock"


def test_where_the_state_folders_path_is_too_long_all_reasons_are_told(
    tmp_path: Path, places: dict[str, str]
) -> None:
    (tmp_path / "clawmatrix").touch()
    with pytest.raises(StateError, match=r"cannot make the folder .* is too long for the path"):
        control_socket_path(tmp_path / ("x" * 100), places)


def test_the_noted_place_comes_before_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state, noted = tmp_path / "state", tmp_path / "elsewhere.sock"
    usual = control_socket_path(state)
    assert list(control_socket_paths(state)) == [usual]
    place = SocketPlace(noted, state)
    place.note()
    assert (state / NOTE).stat().st_mode & 0o777 == 0o600
    assert list(control_socket_paths(state)) == [noted, usual]
    place.remove_note()
    assert list(control_socket_paths(state)) == [usual]
    (state / NOTE).write_bytes(b"\xff")
    assert list(control_socket_paths(state)) == [usual]


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_noted_place_where_others_can_put_a_socket_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state, noted = tmp_path / "state", tmp_path / "gone" / "x.sock"
    SocketPlace(noted, state).note()
    usual = control_socket_path(state)
    assert list(control_socket_paths(state)) == [usual]
    noted.parent.mkdir()
    assert list(control_socket_paths(state)) == [noted, usual]
    noted.parent.chmod(mode)
    assert list(control_socket_paths(state)) == [usual]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_noted_place_in_a_folder_of_another_user_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state, noted = tmp_path / "state", tmp_path / "taken" / "x.sock"
    SocketPlace(noted, state).note()
    noted.parent.mkdir(mode=0o755)
    os.chown(noted.parent, 65534, 65534)
    usual = control_socket_path(state)
    assert list(control_socket_paths(state)) == [usual]
    os.chown(state, 65534, 65534)  # the node of that user, of whom root asks
    assert list(control_socket_paths(state)) == [noted, usual]


def test_a_built_in_plugin_serves_the_socket() -> None:
    [entry] = metadata.entry_points(group="clawmatrix.plugins", name=SERVER)
    assert entry.value.startswith("clawmatrix_control.plugin:")
