"""Where the control socket is: in a folder of the user's own, and noted in the state folder."""

from __future__ import annotations

import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.control.address import (
    NOTE,
    SERVER,
    control_socket_path,
    control_socket_paths,
    note_socket,
    remove_note,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clawmatrix").mkdir()
    (tmp_path / "clawmatrix").chmod(0o755)
    with pytest.raises(StateError, match="chmod 700"):
        control_socket_path(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "clawmatrix").symlink_to(tmp_path / "real")
    with pytest.raises(StateError, match="not a folder of this user's own"):
        control_socket_path(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "clawmatrix").touch()
    with pytest.raises(StateError, match="cannot make the folder"):
        control_socket_path(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_the_noted_place_comes_before_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state, noted = tmp_path / "state", tmp_path / "elsewhere.sock"
    usual = control_socket_path(state)
    assert list(control_socket_paths(state)) == [usual]
    note_socket(noted, state)
    assert (state / NOTE).stat().st_mode & 0o777 == 0o600
    assert list(control_socket_paths(state)) == [noted, usual]
    remove_note(state)
    assert list(control_socket_paths(state)) == [usual]
    (state / NOTE).write_bytes(b"\xff")
    assert list(control_socket_paths(state)) == [usual]


def test_a_built_in_plugin_serves_the_socket() -> None:
    [entry] = metadata.entry_points(group="clawmatrix.plugins", name=SERVER)
    assert entry.value.startswith("clawmatrix_control.plugin:")
