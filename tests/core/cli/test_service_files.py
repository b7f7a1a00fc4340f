"""What service managers are told: held to systemd's own check, and read back as plists are."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.service_files import Service, launchd_plist, systemd_unit

ODD = "a b 100% $HOME"
ODDER = f"{ODD} \"quoted\" 'é' back\\slash"


def make(folder: Path, *, system: bool = False) -> Service:
    """Return a service whose files are in a folder, its program among them."""
    folder.mkdir(exist_ok=True)
    script = folder / "clawmatrix"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return Service(
        "office",
        (str(script), "run", "-c", str(folder / "clawmatrix.toml")),
        folder / "state",
        environ={"XDG_STATE_HOME": str(folder)},
        environ_file=folder / "clawmatrix.env",
        user="root" if system else None,
        log=folder / "log",
    )


def verified(unit: Path, *, system: bool) -> str:
    """Return what systemd has to say against a unit."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    ran = subprocess.run(
        [analyze, *([] if system else ["--user"]), "verify", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(unit.parent)},
    )
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if unit.name in line]
    return "\n".join(said) if said or ran.returncode == 0 else ran.stderr


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
@pytest.mark.parametrize("name", ["plain", ODD, ODDER])
def test_systemd_has_nothing_against_the_unit(tmp_path: Path, name: str, system: bool) -> None:
    service = make(tmp_path / name, system=system)
    unit = tmp_path / service.unit
    unit.write_text(systemd_unit(service))
    assert verified(unit, system=system) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("LockPersonality=", "LockPerzonality="),
        ("ExecStart=:", "ExecStart=:/nowhere/at/all "),
        ("TimeoutStopSec=", "TimeoutStopSec=soon"),
    ],
)
def test_systemd_says_so_where_a_unit_is_wrong(tmp_path: Path, right: str, wrong: str) -> None:
    service = make(tmp_path / "plain")
    unit = tmp_path / service.unit
    unit.write_text(systemd_unit(service).replace(right, wrong))
    assert verified(unit, system=False) != ""


def test_only_the_machines_manager_is_given_what_needs_its_rights(tmp_path: Path) -> None:
    user, machine = (systemd_unit(make(tmp_path, system=system)) for system in (False, True))
    for line in ("User=", "ProtectSystem=full", "network-online.target", "multi-user.target"):
        assert line in machine
        assert line not in user
    assert "WantedBy=default.target" in user
    for text in (user, machine):
        assert "\nRestart=on-failure\n" in text
        assert "\nRestartPreventExitStatus=2 7\n" in text
        assert "PrivateTmp" not in text, "the control socket may lie in the temporary folder"


@pytest.mark.parametrize("folder", ["/etc/clawmatrix/state", "/usr/local/clawmatrix"])
def test_a_state_folder_among_the_systems_own_can_be_written(tmp_path: Path, folder: str) -> None:
    service = attrs.evolve(make(tmp_path, system=True), state_dir=Path(folder))
    assert "ProtectSystem" not in systemd_unit(service)


def test_a_plist_says_what_to_run_and_when(tmp_path: Path) -> None:
    service = make(tmp_path / ODDER, system=True)
    told = plistlib.loads(launchd_plist(service).encode())
    assert told["Label"] == "clawmatrix.office"
    assert told["ProgramArguments"] == list(service.command)
    assert told["RunAtLoad"] is True
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["EnvironmentVariables"] == dict(service.environ)
    assert told["UserName"] == "root"
    assert told["StandardErrorPath"] == told["StandardOutPath"] == str(service.log)
    assert told["Umask"] == 0o077
    mine = plistlib.loads(launchd_plist(make(tmp_path / "plain")).encode())
    assert "UserName" not in mine


def test_a_path_that_would_be_another_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unprintable"):
        Service("office", ("/bin/a\nUser=root",), tmp_path)
