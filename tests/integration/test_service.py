"""A node run as a service manager would: by what `clawmatrix service` printed, and no more."""

from __future__ import annotations

import plistlib
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import NodeProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Manager:
    """Starts, reloads and stops a node by its unit, with the little that a manager gives it."""

    def __init__(self, unit: str, home: Path) -> None:
        lines = (line.partition("=") for line in unit.splitlines() if "=" in line)
        self.told = {name: value for name, _, value in lines}
        self._home = home
        self._running: list[subprocess.Popen[str]] = []

    @property
    def gives_up_at(self) -> set[int]:
        return {int(code) for code in self.told["RestartPreventExitStatus"].split()}

    def start(self) -> subprocess.Popen[str]:
        words = shlex.split(self.told["ExecStart"].removeprefix(":").replace("%%", "%"))
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
        )
        self._running.append(process)
        return process

    def reload(self, process: subprocess.Popen[str]) -> None:
        words = self.told["ExecReload"].replace("$MAINPID", str(process.pid)).split()
        subprocess.run(words, check=True, timeout=20)

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()


@pytest.fixture
def node(make_node: Callable[[str, str], NodeProcess]) -> NodeProcess:
    return make_node("office", 'plugins = ["mesh", "control"]\n[mesh]\nlisten = "127.0.0.1:0"\n')


@pytest.fixture
def manager(node: NodeProcess, tmp_path: Path) -> Iterator[Manager]:
    printed = node.cli("service", "--systemd")
    assert printed.returncode == 0
    assert "systemctl --user enable --now clawmatrix-office.service" in printed.stderr
    found = Manager(printed.stdout, tmp_path)
    yield found
    found.end()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_manager_starts_reloads_and_stops_it(manager: Manager, node: NodeProcess) -> None:
    process = manager.start()
    assert first_line(process).startswith("node office is up: ws://127.0.0.1:")
    node.config.write_text(node.config.read_text().replace("plugins", 'log = "mesh:info"\nplugins'))
    manager.reload(process)
    assert node.ask("status")["nodeId"] == "office", "it goes on"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0, "what Restart=on-failure takes for meant"


def test_a_manager_gives_up_where_a_person_is_needed(manager: Manager, node: NodeProcess) -> None:
    good = node.config.read_text()
    node.config.write_text(good + "nonsense = 1\n")
    process = manager.start()
    _, error = process.communicate(timeout=30)
    assert process.returncode in manager.gives_up_at
    assert "mesh.nonsense" in error

    node.config.write_text(good)
    assert first_line(manager.start()).startswith("node office is up")
    manager.end()
    newer = node.folder / "office-state" / "trust.json"
    newer.write_text('{"version": 99, "data": {}}')
    newer.chmod(0o600)
    process = manager.start()
    process.communicate(timeout=30)
    assert process.returncode in manager.gives_up_at


def test_a_manager_tries_again_where_the_port_is_taken(
    manager: Manager, node: NodeProcess, make_node: Callable[[str, str], NodeProcess]
) -> None:
    port = free_port()
    listen = f'plugins = ["mesh", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n'
    node.configure(listen)
    first_line(manager.start())
    other = make_node("other", listen)
    ran = other.cli("run")
    assert ran.returncode == 5
    assert ran.returncode not in manager.gives_up_at


def test_launchd_runs_the_same_command(manager: Manager, node: NodeProcess) -> None:
    printed = node.cli("service", "--launchd")
    command = plistlib.loads(printed.stdout.encode())["ProgramArguments"]
    assert shlex.split(manager.told["ExecStart"].removeprefix(":")) == command
    assert command[-3:] == ["run", "-c", str(node.config)]
    assert "launchctl bootstrap gui/$(id -u)" in printed.stderr


def test_variables_that_the_configuration_reads_are_named(node: NodeProcess) -> None:
    text = node.config.read_text()
    head, _, tail = text.partition("\nsecret = ")
    node.config.write_text(f'{head}\nsecret = "env:MESH_SECRET"\n{tail.partition(chr(10))[2]}')
    unit = node.cli("service", "--systemd", "--system")
    assert f"EnvironmentFile=-{node.config.with_suffix('.env')}\n" in unit.stdout
    assert "reads MESH_SECRET" in unit.stderr
    assert "MESH_SECRET, which launchd" in node.cli("service", "--launchd").stderr


def test_a_configuration_of_no_node_gets_no_service(node: NodeProcess) -> None:
    node.config.write_text('node_id = "a\\nb"\n')
    ran = node.cli("service")
    assert (ran.returncode, ran.stdout) == (2, "")
