"""Tests of where files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import default_state_dir, find_config


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
