"""``clawmatrix doctor``, beside a node and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.cli.doctor import render_findings
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.control.address import control_socket_path
from clawmatrix_core.loading.contributions import Finding
from clawmatrix_core.state.folder import StateFolder
from tests.core.cli.listening import listening

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "the-secret-that-nobody-may-see-0123456789"


@pytest.fixture(autouse=True)
def _own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


def write_config(folder: Path, text: str = "plugins = []\n") -> Path:
    path = folder / "office.toml"
    path.write_text(f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\n{text}')
    path.chmod(0o600)
    return path


def examined(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, bool, list[tuple[str, str]], str]:
    """Return the exit code, whether the node looked, what was found, and all of the text."""
    code = execute(["doctor", "--json", "-c", str(path)])
    told = capsys.readouterr()
    assert told.err == ""
    assert SECRET not in told.out
    answer: dict[str, Any] = json.loads(told.out)
    assert answer.keys() == {"running", "checks"}
    found = [(check["name"], check["status"]) for check in answer["checks"]]
    return code, answer["running"], found, told.out


def test_a_node_that_does_not_run_and_has_nothing_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, running, found, _ = examined(write_config(tmp_path), capsys)
    assert (code, running) == (0, False)
    assert found == [
        ("node", "skipped"),
        ("config", "ok"),
        ("plugins", "ok"),
        ("state.folder", "ok"),
    ]
    assert not (tmp_path / "state").exists()


def test_every_mistake_in_the_configuration_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, 'plugins = ["mesh", "pigeon"]\ntag = []\n[mesh]\npeers = 1\n')
    code, _, found, text = examined(path, capsys)
    assert code == 12
    assert [status for _, status in found] == ["skipped", *["problem"] * 3, "skipped"]
    for told in ("mesh.peers: expected", "tag: unknown key", "pigeon"):
        assert told in text


def test_a_file_that_is_none_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path)
    path.write_text("node_id = ")
    assert examined(path, capsys)[0] == 12
    _, _, found, text = examined(tmp_path / "nowhere.toml", capsys)
    assert found == [("config", "problem")]
    assert "make one with `clawmatrix init`" in text


def test_a_state_folder_that_another_process_holds_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path)
    with StateFolder(tmp_path / "state"):
        code, _, found, text = examined(path, capsys)
    assert (code, ("state.lock", "problem") in found) == (12, True)
    assert f"process {os.getpid()} uses" in text


def test_a_socket_that_does_not_answer_is_a_problem_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, "")

    def answer_nothing(server: socket.socket) -> None:
        server.accept()[0].close()

    with listening(control_socket_path(tmp_path / "state")) as server:
        thread = threading.Thread(target=answer_nothing, args=(server,))
        thread.start()
        code, running, found, _ = examined(path, capsys)
        thread.join()
    assert (code, running, found[0]) == (12, False, ("node", "problem"))
    assert ("state.folder", "ok") in found


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "node office is up\n"
            yield process
        finally:
            process.kill()


def test_a_node_that_runs_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, 'plugins = ["mesh", "relay", "control"]\n')
    with running(path):
        code, node_looked, found, _ = examined(path, capsys)
        assert (code, node_looked) == (0, True)
        assert found[:2] == [("node", "ok"), ("config", "ok")]
        assert {name for name, _ in found} >= {"mesh.peer", "mesh.keys", "relay.path"}
        path.write_text(path.read_text() + '[mesh]\npeers = ["ws://127.0.0.1:9"]\n')
        assert execute(["reload", "-c", str(path)]) == 0
        capsys.readouterr()
        while (code := examined(path, capsys)[0]) == 0:
            pass  # the node has not dialled yet
        assert code == 12
        assert execute(["doctor", "-c", str(path)]) == 12
        assert "connection refused by 127.0.0.1:9" in capsys.readouterr().out


def test_a_node_that_hangs_is_told_with_its_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, 'plugins = ["mesh", "control"]\n')
    with running(path) as process:
        process.send_signal(signal.SIGSTOP)
        code, _, found, text = examined(path, capsys)
    assert (code, found[0]) == (12, ("node", "problem"))
    assert "did not answer in time" in text
    assert f"process {process.pid} uses" in text


def test_findings_are_shown_with_their_advice_and_a_sum() -> None:
    text = render_findings(
        [
            Finding("a", "ok", "fine", "not shown"),
            Finding("longer", "problem", "bro\x1bken", "mend it"),
            Finding("b", "warning", "odd", "look"),
            Finding("b", "warning", "odder"),
        ]
    )
    lines = text.splitlines()
    assert lines[0].endswith("  a       fine")
    assert lines[1].endswith("  longer  bro�ken")
    assert lines[2].strip() == "-> mend it"
    assert "not shown" not in text
    assert lines[-1] == "1 problem and 2 warnings"
    assert render_findings([Finding("a", "ok", "fine")]).endswith("nothing wrong was found")
