"""What stops somebody who has never used ``clawmatrix`` before, and must not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.new_config import DEFAULT_HTTP
from clawmatrix_core.cli.owner import require_own_file
from clawmatrix_core.cli.shell import execute
from clawmatrix_http.config import HttpConfig
from tests.core.cli.test_doctor import running
from tests.core.cli.test_shell import clawmatrix, write_config

if TYPE_CHECKING:
    from pathlib import Path

OF_A_USER = 34567


@pytest.mark.parametrize(("typed", "meant"), [("statsu", "status"), ("dcotor", "doctor")])
def test_a_mistyped_command_gets_a_suggestion(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([typed]) == 2
    assert f"no command '{typed}'; did you mean '{meant}'?" in capsys.readouterr().err


def test_a_command_like_no_other_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["xyzzy"]) == 2
    assert "did you mean" not in capsys.readouterr().err.lower()


@pytest.mark.parametrize("arguments", [[], ["trust"], ["revocations"], ["config"]])
def test_help_is_not_cut_at_80_columns(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert execute([*arguments, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Commands:" in text
    assert "..." not in text.replace("[ARGS]...", "")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["completion", shell]) == 0
    told = capsys.readouterr()
    assert "_CLAWMATRIX_COMPLETE" in told.out
    assert "To keep it" in told.err


def test_a_shell_completes_commands_of_the_core_and_of_plugins(tmp_path: Path) -> None:
    """Source the script in a real bash, and press Tab, so to say."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = tmp_path / "clawmatrix"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m clawmatrix_core.cli "$@"\n')
    program.chmod(0o755)
    script = clawmatrix("completion", "bash", cwd=tmp_path)
    test = (
        f"{script.stdout}\nCOMP_WORDS=(clawmatrix $1); COMP_CWORD=1\n"
        '_clawmatrix_completion clawmatrix; echo "${COMPREPLY[@]}"'
    )
    places = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    for typed, completed in (("doc", "doctor"), ("sta", "status"), ("comp", "completion")):
        done = subprocess.run(
            [bash, "-c", test, "bash", typed],
            env={**os.environ, **places},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert done.stdout.strip() == completed, done.stderr


def test_init_writes_the_port_that_programs_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "clawmatrix.toml"
    assert execute(["init", "-c", str(path), "--http", "127.0.0.1:19555"]) == 0
    assert "models http://127.0.0.1:19555/v1" in capsys.readouterr().out
    assert tomllib.loads(path.read_text())["http"] == {"listen": "127.0.0.1:19555"}
    assert execute(["config", "check", "-c", str(path)]) == 0
    assert execute(["init", "-c", str(path), "--force", "--http", "nothing"]) == 2
    assert "--http: expected" in capsys.readouterr().err


def test_init_says_where_programs_ask_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert execute(["init", "-c", str(tmp_path / "clawmatrix.toml")]) == 0
    assert f"models http://{DEFAULT_HTTP}/v1" in capsys.readouterr().out
    assert str(HttpConfig().listen) == DEFAULT_HTTP


def test_status_of_a_node_that_hangs_says_that_it_waits_and_ends(tmp_path: Path) -> None:
    path = write_config(tmp_path, 'plugins = ["mesh", "control"]\n')
    with running(path) as process:
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        done = clawmatrix("status", cwd=tmp_path)
        took = time.monotonic() - began
    told = done.stderr.splitlines()
    assert done.returncode == 1
    assert told[0].startswith("clawmatrix: node office has not answered for 2 s; waiting up to")
    assert told[1].startswith("clawmatrix: node office did not answer in time (does it hang?")
    assert took < 20


def test_a_node_in_the_foreground_logs_with_a_date_that_its_links_come_and_go(
    tmp_path: Path,
) -> None:
    nodes = [tmp_path / name for name in ("a", "b")]
    for folder in nodes:
        folder.mkdir()
    write_config(nodes[0], 'plugins = ["mesh", "control"]\n[mesh]\nlisten = "127.0.0.1:0"\n')
    command = [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c"]

    def start(folder: Path) -> subprocess.Popen[str]:
        file = str(folder / "clawmatrix.toml")
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, file], stdout=pipe, stderr=pipe, text=True)

    with start(nodes[0]) as first:
        assert first.stdout is not None
        assert first.stderr is not None
        address = first.stdout.readline().split()[-1]
        told = f'plugins = ["mesh", "control"]\n[mesh]\npeers = ["{address}"]\n'
        path = write_config(nodes[1], told)
        path.write_text(path.read_text().replace('"office"', '"home"'))
        with start(nodes[1]) as second:
            lines = iter(first.stderr.readline, "")
            opened = next(line for line in lines if "link to home is open" in line)
            second.terminate()
            closed = next(line for line in lines if "link to home closed" in line)
        first.terminate()
    for line in (opened, closed):
        assert line.startswith(time.strftime("%Y-")), line


def test_root_is_refused_the_configuration_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "clawmatrix.toml"
    path.write_text('node_id = "home"\n')
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path, OF_A_USER, OF_A_USER)
    with pytest.raises(ConfigError, match=r"belongs to .*, and root would be another node"):
        require_own_file(path, user=0)
    require_own_file(path, user=path.stat().st_uid)
    require_own_file(path, user=OF_A_USER + 1)  # a service that reads a file of root's
    with path.open("a") as file:
        file.write(f'state_dir = "{tmp_path / "to-be-made"}"\n')
    require_own_file(path, user=0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_run_by_root_makes_no_second_key_for_a_file_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "clawmatrix.toml"
    path.write_text(f'node_id = "home"\nsecret = "{"s" * 40}"\n')
    path.chmod(0o600)
    os.chown(path, OF_A_USER, OF_A_USER)
    for command in (("run",), ("key", "rotate")):
        done = clawmatrix(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert f"sudo -u #{OF_A_USER} clawmatrix run -c" in done.stderr
    assert not (tmp_path / ".local").exists()


def test_a_user_without_an_entry_and_without_a_home_is_told_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for command in (["init"], ["status"], ["doctor"]):
        assert execute(command) in (2, 12)
        told = capsys.readouterr()
        assert "this user has no home folder: set HOME" in told.err + told.out
    path = write_config(tmp_path)
    assert execute(["config", "check", "-c", str(path)]) == 0
    assert execute(["status", "-c", str(path)]) == 3
    path.write_text('node_id = "office"\nsecret = "env:X"\n')
    capsys.readouterr()
    assert execute(["status", "-c", str(path)]) == 2
    assert "name state_dir in the configuration" in capsys.readouterr().err
    assert execute(["service", "--systemd", "-c", str(write_config(tmp_path))]) == 2
    assert "which this machine has no name for" in capsys.readouterr().err


def test_a_terminal_that_is_not_utf8_gets_question_marks(tmp_path: Path) -> None:
    write_config(tmp_path, 'plugins = ["mesh", "control"]\ntags = ["π", "ü"]\n')
    with running(tmp_path / "clawmatrix.toml"):
        environ = {**os.environ, "PYTHONIOENCODING": "latin-1", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "clawmatrix_core.cli", "status"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert b"tags: ?, \xfc" in done.stdout


def test_status_works_after_an_update_took_the_metadata_away(tmp_path: Path) -> None:
    """The node says the version that it was started with; nothing is read anew for a status."""
    site = tmp_path / "site"
    info = site / "clawmatrix-9.9.dist-info"
    info.mkdir(parents=True)
    own = distribution("clawmatrix")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clawmatrix\nVersion: 9.9\n")
    (info / "entry_points.txt").write_text(own.read_text("entry_points.txt") or "")
    path = write_config(tmp_path, 'plugins = ["mesh", "control"]\n')
    places = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": places}
    ) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == "node office is up\n"
        info.rename(tmp_path / "away")
        found = clawmatrix("status", "--json", cwd=tmp_path)
        listed = clawmatrix("plugins", "list", cwd=tmp_path)
        node.terminate()
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["version"] == "9.9"
    assert listed.returncode == 0, listed.stderr
