"""Tests of where files are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError, StateError
from clawmatrix_core.base.paths import control_socket_path, default_state_dir, find_config

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="cm") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def test_the_file_asked_for_is_used(home: Path) -> None:
    (home / "work" / "clawmatrix.toml").touch()
    (home / "other.toml").touch()
    assert find_config(Path("../other.toml")) == home / "work" / "../other.toml"
    assert find_config(Path("~/other.toml")) == home / "other.toml"


def test_the_file_of_the_current_folder_goes_before_that_of_the_user(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config()
    users = Path(str(caught.value).split(" or ")[1].split(";")[0])
    users.parent.mkdir(parents=True)
    users.touch()
    assert find_config() == users
    (home / "work" / "clawmatrix.toml").touch()
    assert find_config(None) == home / "work" / "clawmatrix.toml"


def test_a_missing_file_is_told_with_the_places_and_the_way_out(home: Path) -> None:
    with pytest.raises(ConfigError, match="clawmatrix init") as caught:
        find_config()
    assert str(home / "work" / "clawmatrix.toml") in str(caught.value)
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        find_config(Path("nowhere.toml"))


@pytest.mark.usefixtures("home")
def test_each_node_has_a_state_folder_of_its_own() -> None:
    assert default_state_dir("office").name == "office"
    assert default_state_dir("office").parent == default_state_dir("home").parent


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
