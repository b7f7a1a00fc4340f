"""``clawmatrix service``: for whose manager, and with what from the shell."""

from __future__ import annotations

import os
import plistlib
import sys
from pathlib import Path

import pytest

from clawmatrix_core.cli.service import console_script, variables
from clawmatrix_core.cli.shell import execute


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    path = tmp_path / "office.toml"
    path.write_text('node_id = "office"\nsecret = "file:secret"\n')
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert execute(["service", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("platform", "launchd"), [("linux", False), ("darwin", True)])
def test_the_platform_says_for_which_manager(
    platform: str,
    launchd: bool,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert printed(capsys, "-c", str(config)).startswith("<?xml") is launchd
    assert printed(capsys, "--launchd", "-c", str(config)).startswith("<?xml")
    assert printed(capsys, "--systemd", "-c", str(config)).startswith("[Unit]")


def test_the_command_is_the_one_that_was_installed() -> None:
    script = Path(console_script()[0])
    assert script == Path(sys.executable).with_name("clawmatrix")
    assert os.access(script, os.X_OK)


def test_without_its_script_the_interpreter_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert console_script() == (str(tmp_path / "python"), "-P", "-m", "clawmatrix_core.cli")


def test_a_state_folder_that_the_shell_named_goes_along(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Environment=" not in printed(capsys, "--systemd", "-c", str(config))
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert "\nEnvironment=XDG_STATE_HOME=/srv/state\n" in printed(
        capsys, "--systemd", "-c", str(config)
    )
    told = plistlib.loads(printed(capsys, "--launchd", "-c", str(config)).encode())
    assert told["EnvironmentVariables"] == {"XDG_STATE_HOME": "/srv/state"}


def test_the_machines_manager_runs_it_as_whose_the_configuration_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"\nUser={config.owner()}\n" in printed(
        capsys, "--systemd", "--system", "-c", str(config)
    )


def test_variables_are_found_wherever_they_are_named() -> None:
    told = {"a": "env:ONE", "b": [{"c": "env:TWO"}, 3, "file:x"], "d": {"e": ["env:ONE"]}}
    assert list(variables(told)) == ["ONE", "TWO", "ONE"]
