"""``clawmatrix status``, ``peers`` and ``ping`` against a node that runs."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.shell import execute
from tests.tools.forking import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s" * 40


def clawmatrix(*arguments: object) -> subprocess.CompletedProcess[str]:
    return commands().run([str(argument) for argument in arguments])


def write_config(folder: Path) -> Path:
    path = folder / "office.toml"
    path.write_text(
        f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\n'
        'plugins = ["control", "mesh"]\ntags = ["gpu"]\n'
    )
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node that runs, by its configuration."""
    path = write_config(tmp_path_factory.mktemp("node"))
    with subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "node office is up\n"
        yield path
        process.terminate()
        assert process.wait(20) == 0


def test_the_status_as_json(config: Path) -> None:
    done = clawmatrix("status", "--json", "-c", config)
    status = json.loads(done.stdout)
    first = ["nodeId", "version", "agents", "models", "tags", "peers", "node"]
    assert list(status)[: len(first)] == first
    assert (status["nodeId"], status["tags"], status["peers"]) == ("office", ["gpu"], [])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_status_for_people(config: Path) -> None:
    done = clawmatrix("-c", config, "status")
    assert done.stdout == "office  no other node known yet\n  tags: gpu\n"


def test_the_peers(config: Path) -> None:
    assert json.loads(clawmatrix("peers", "--json", "-c", config).stdout) == []
    assert clawmatrix("peers", "-c", config).stdout == "no other node known yet\n"


def test_a_ping_that_is_answered(config: Path) -> None:
    done = clawmatrix("ping", "office", "-n", 2, "--interval", 0, "-c", config)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) == 2
    assert all(line.startswith("office: this node in ") for line in lines)
    done = clawmatrix("ping", "office", "-n", 1, "--json", "-c", config)
    [item] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (item["nodeId"], item["ok"], item["status"]) == ("office", True, "self")


def test_a_ping_to_nobody_is_exit_code_6(config: Path) -> None:
    done = clawmatrix("ping", "offce", "-c", config)
    message = "clawmatrix: no node is named offce; no other node is known yet\n"
    assert (done.returncode, done.stdout, done.stderr) == (6, "", message)


def test_the_plugins_of_the_running_node(config: Path) -> None:
    done = clawmatrix("plugins", "list", "--json", "-c", config)
    entries = {entry["name"]: entry for entry in json.loads(done.stdout)["plugins"]}
    assert entries["control"]["state"] == "active"
    assert entries["relay"]["state"] == "disabled"


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e400", "9" * 5000, "x"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--watch", "--interval"],
        ["ping", "office", "--timeout"],
        ["ping", "office", "--interval"],
        ["ping", "office", "--count"],
        ["invite", "--expires"],
    ],
)
def test_a_number_that_is_none_is_wrong_usage_of_that_option(
    arguments: list[str], number: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["-c", str(config), *arguments, number]) == 2
    error = capsys.readouterr().err
    assert f"Invalid value for '{'-n' if arguments[-1] == '--count' else arguments[-1]}'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["status"], ["peers"], ["ping", "office"], ["reload"]])
def test_without_a_node_it_is_exit_code_3(tmp_path: Path, arguments: list[str]) -> None:
    done = clawmatrix(*arguments, "-c", write_config(tmp_path))
    message = "clawmatrix: node office is not running (start it with `clawmatrix run`)\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", message)


def on_a_terminal(*arguments: object, until: str, **environ: str) -> str:
    """Run the command on a terminal and return what it shows up to a text; then Ctrl-C."""
    ours, theirs = pty.openpty()
    inherited = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", *map(str, arguments)],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**inherited, "TERM": "xterm", **environ},
    )
    os.close(theirs)
    shown = ""
    try:
        while until not in shown:
            shown += os.read(ours, 4096).decode()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        os.close(ours)
    return shown.replace("\r\n", "\n")


def test_a_terminal_gets_colour_unless_it_wants_none(config: Path) -> None:
    shown = on_a_terminal("status", "-c", config, until="gpu")
    assert shown.startswith("\x1b[1moffice\x1b[0m  no other node")
    shown = on_a_terminal("status", "-c", config, until="gpu", NO_COLOR="1")
    assert shown.startswith("office  no other node")


def test_watching_draws_over_what_was_there(config: Path) -> None:
    arguments = ("status", "--watch", "--interval", "0.1", "-c", config)
    shown = on_a_terminal(*arguments, until="\x1b[J\x1b[H", NO_COLOR="1")
    frame = "\x1b[Hoffice  no other node known yet\x1b[K\n  tags: gpu\x1b[K\n\x1b[J"
    assert shown.count(frame) >= 1


def test_watching_goes_on_when_the_node_is_away(tmp_path: Path) -> None:
    arguments = ("status", "--watch", "--interval", "0.1", "-c", write_config(tmp_path))
    assert "is not running" in on_a_terminal(*arguments, until="\x1b[J\x1b[H")


def test_watching_as_json_is_a_line_each_time(config: Path) -> None:
    arguments = ["status", "--watch", "--json", "--interval", "0.1", "-c", str(config)]
    with subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert json.loads(process.stdout.readline())["nodeId"] == "office"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a node of its own, whose configuration a test may change."""
    with subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("node office is up")
            yield process
        finally:
            process.kill()


def test_a_reload_says_what_is_in_force_and_what_needs_a_restart(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    with running(path):
        done = clawmatrix("reload", "-c", path)
        assert (done.returncode, done.stdout) == (0, f"nothing has changed in {path}\n")
        path.write_text(
            path.read_text().replace('["gpu"]', '["cpu"]')
            + '[mesh]\nlisten = "127.0.0.1:0"\npeers = ["ws://127.0.0.1:9"]\n'
        )
        done = clawmatrix("reload", "-c", path)
        expected = "reloaded: mesh.peers, tags\nneeds a restart: mesh.listen\n"
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
        assert json.loads(clawmatrix("status", "--json", "-c", path).stdout)["tags"] == ["cpu"]
        done = clawmatrix("reload", "--json", "-c", path)
        assert json.loads(done.stdout) == {
            "path": str(path),
            "reloaded": [],
            "restart": ["mesh.listen"],
            "faults": [],
        }


def test_a_reload_of_a_file_with_mistakes_names_them_all_and_changes_nothing(
    tmp_path: Path,
) -> None:
    path = write_config(tmp_path)
    with running(path):
        wrong = path.read_text().replace('["gpu"]', '["cpu"]') + "[mesh]\nperrs = []\ndirect = 1\n"
        path.write_text(wrong)
        done = clawmatrix("reload", "-c", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            "clawmatrix: mesh.direct: expected true or false, got 1",
            'clawmatrix: mesh.perrs: unknown key (did you mean "peers"?)',
            "clawmatrix: the node refuses the file, and the tables that were in force before stay"
            " in force",
        ]
        assert clawmatrix("status", "-c", path).stdout.endswith("  tags: gpu\n")


def test_a_name_that_is_not_utf8_is_a_mistake_of_usage(config: Path) -> None:
    module = [sys.executable, "-m", "clawmatrix_core.cli"]
    command = [*module, "ping", "-c", str(config), os.fsdecode(b"a\xff")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "clawmatrix: node: is not UTF-8 text\n"


def test_a_file_whose_name_is_not_utf8_is_told_as_it_is(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    odd = os.fsencode(tmp_path) + b"/odd\xff.toml"
    os.rename(os.fsencode(path), odd)
    command = [sys.executable, "-m", "clawmatrix_core.cli", "config", "check", "-c"]
    command.append(os.fsdecode(odd))
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, env=strict)
    assert (done.returncode, done.stdout) == (0, odd + b" is valid\n")
