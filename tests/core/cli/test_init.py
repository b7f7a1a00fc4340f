"""``clawmatrix init``."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import pytest

from clawmatrix_core.cli.shell import execute
from clawmatrix_core.config.config import Config
from clawmatrix_core.members.identity import load_identity
from clawmatrix_core.state.folder import StateFolder

SECRET = "0123456789abcdef" * 3


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any configuration, in a folder without one."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_what_is_written_passes_the_check(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "config" / "clawmatrix" / "clawmatrix.toml"
    assert execute(["init", "--node-id", "office"]) == 0
    text = capsys.readouterr().out
    assert f"wrote {path}\n" in text
    assert "clawmatrix run\n" in text
    assert path.stat().st_mode & 0o777 == 0o600
    config = tomllib.loads(path.read_text())
    assert config["node_id"] == "office"
    assert config["mesh"].keys() == {"listen", "revokers"}
    assert config["mesh"]["listen"] == "*:19000"
    assert config["secret"] not in text
    assert execute(["config", "check"]) == 0


def test_the_file_asked_for_is_named_in_the_next_steps(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "new" / "lab.toml"
    assert execute(["init", "-c", str(path), "--listen", "127.0.0.1:19003"]) == 0
    text = capsys.readouterr().out
    assert f"clawmatrix run -c {path}\n" in text
    assert f"clawmatrix invite -c {path}\n" in text
    assert execute(["config", "check", "-c", str(path)]) == 0


def test_nothing_is_overwritten_unless_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    path.write_text("mine")
    assert execute(["init", "-c", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "`clawmatrix init --force` overwrites it" in capsys.readouterr().err
    path.chmod(0o644)
    assert execute(["init", "-c", str(path), "--force"]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in home.iterdir() if "a.toml" in entry.name] == ["a.toml"]


def test_a_configuration_that_is_in_use_is_not_shadowed(home: Path) -> None:
    Path("clawmatrix.toml").write_text("mine")
    assert execute(["init"]) == 2


def test_joining_needs_the_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["init", "--peer", "ws://127.0.0.1:1"]) == 2
    told = capsys.readouterr().err
    assert "its secret is needed" in told
    assert "which needs none: `clawmatrix join`" in told


def test_joining_with_a_secret_in_a_file(home: Path) -> None:
    file = home / "secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    path = home / "a.toml"
    arguments = ["init", "-c", str(path), "--peer", "ws://127.0.0.1:1", "--secret-file", str(file)]
    assert execute(arguments) == 0
    config = tomllib.loads(path.read_text())
    assert config["secret"] == f"file:{file}"
    assert config["mesh"] == {"peers": ["ws://127.0.0.1:1"]}
    assert execute(["config", "check", "-c", str(path)]) == 0


def test_a_secret_comes_in_by_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), "--peer", "ws://127.0.0.1:1", "--secret", "-"]) == 0
    assert tomllib.loads(path.read_text())["secret"] == SECRET


def test_a_reference_to_the_environment_may_be_filled_later(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), "--secret", "env:NOT_SET_YET"]) == 0
    assert "note: secret: the environment variable NOT_SET_YET" in capsys.readouterr().out
    assert tomllib.loads(path.read_text())["secret"] == "env:NOT_SET_YET"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--secret", "short"], "secret: must have at least 32 characters"),
        (["--node-id", "a b"], "node_id: must be 1 to 64"),
        (["--listen", "19000"], "--listen: expected an address like"),
        (["--listen", "unix:///a"], "goes into listen_url of [mesh]"),
        (["--listen", "::1:5"], "--listen: an IPv6 address goes in brackets"),
        (["--secret", "x", "--secret-file", "/dev/null"], "not both"),
    ],
)
def test_what_the_check_would_refuse_is_not_written(
    arguments: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not path.exists()


def test_the_founder_of_a_mesh_can_put_others_out_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    path = home / "a.toml"
    for options in ((), ("--force",)):
        assert execute(["init", "-c", str(path), "--node-id", "my.box", *options]) == 0
        with StateFolder(Config.load(path).state_dir) as state:
            own = load_identity(state).key_text
        assert tomllib.loads(path.read_text())["mesh"]["revokers"] == {"my.box": own}
        assert execute(["config", "check", "-c", str(path)]) == 0


def test_init_writes_the_key_of_a_node_that_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), "--node-id", "office"]) == 0
    with StateFolder(Config.load(path).state_dir):
        assert execute(["init", "-c", str(path), "--node-id", "office", "--force"]) == 0


def test_the_state_folder_that_is_named_has_the_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "usual"))
    assert execute(["init", "-c", "a.toml", "--node-id", "office", "--state", "here"]) == 0
    path = home / "here" / "a.toml"
    config = Config.load(path)
    assert config.state_dir == home / "here" / "here"
    with StateFolder(config.state_dir) as state:
        own = load_identity(state).key_text
    assert tomllib.loads(path.read_text())["mesh"]["revokers"] == {"office": own}
    assert not (home / "usual").exists()
    assert execute(["config", "check", "-c", str(path)]) == 0
