"""The example on the page of the grants runs unchanged, and its tables are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli import control_client
from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_grants.commands.checking import EXIT_CODES
from tests.integration.conftest import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def page(request: pytest.FixtureRequest) -> str:
    return (request.config.rootpath / "docs" / "grants.md").read_text()


@pytest.fixture
def here(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, where its commands are found."""
    port = str(free_port())
    files = re.findall(r"<!-- start ([\w.]+\.toml) -->\n```toml\n(.*?)```", page, re.DOTALL)
    assert [name for name, _ in files] == ["office.toml", "home.toml", "rules.toml"]
    for name, text in files:
        (tmp_path / name).write_text(text.replace("19000", port))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "clawmatrix").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m clawmatrix_core.cli "$@"\n'
    )
    (programs / "clawmatrix").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Shell:
    """Runs the commands of a page, one after the other, as a terminal does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._variables = ""

    def __call__(self, command: str) -> str:
        if command.endswith(" &"):
            self._start(command.removesuffix(" &"))
            return ""
        if command.startswith("kill"):
            self.close()
            return ""
        if re.match(r"[A-Z]+=", command):
            self._variables += f"{command}\n"
            return ""
        done = subprocess.run(
            ["sh", "-c", self._variables + command], capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def _start(self, command: str) -> None:
        self._nodes.append(
            subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        [config] = re.findall(r"-c (\S+)", command)
        wait_for(lambda: control_client.call(self._folder / config, "plugins"), command)
        if len(self._nodes) == 2:
            office = self._folder / "office.toml"
            wait_for(lambda: control_client.call(office, "trust.list")["nodes"], "a link")

    def close(self) -> None:
        while self._nodes:
            self._nodes[-1].terminate()
            self._nodes.pop().wait(20)


@pytest.fixture
def shell(here: Path) -> Iterator[Shell]:
    shell = Shell(here)
    yield shell
    shell.close()


def test_the_example_of_the_page(page: str, shell: Shell) -> None:
    [shown] = re.findall(r"<!-- start example -->(.*?)<!-- end example -->", page, re.DOTALL)
    steps = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ |```).*\n)*)", shown)
    assert len(steps) == 16
    for command, output in steps:
        told = shell(command)
        assert all(line in told for line in output.splitlines()), (command, told)


def test_the_exit_codes_are_those_of_the_page_and_of_the_command_line(
    page: str, request: pytest.FixtureRequest
) -> None:
    told = dict(re.findall(r"(?m)^\| (\d+) \| (\w+)", page))
    assert {effect: int(code) for code, effect in told.items()} == EXIT_CODES
    cli = (request.config.rootpath / "docs" / "cli.md").read_text()
    for code in EXIT_CODES.values():
        assert re.search(rf"(?m)^\| {code} \| ", cli)
