"""Commands that a server forks for: processes of their own, as those are that Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.tools.forking import ForkServer, commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
    import os, sys, time, warnings

    calls = 0

    def main():
        global calls
        calls += 1
        what, *rest = sys.argv[1:]
        if what == "tell":
            print(calls, os.getcwd(), os.environ.get("TOLD"), sys.stdin.read(), *rest)
            print("to stderr", file=sys.stderr)
        elif what == "warn":
            warnings.warn("careful")
        elif what == "import":
            print(__import__(rest[0]).VALUE)
        elif what == "sleep":
            time.sleep(60)
        elif what == "kill":
            os.kill(os.getpid(), 9)
        elif what == "exit":
            sys.exit(eval(rest[0]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "a_program.py").write_text(textwrap.dedent(PROGRAM))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        server = ForkServer("a_program:main", "exit", "0")
    yield server
    server.close()


def test_a_command_has_what_a_process_has(server: ForkServer, tmp_path: Path) -> None:
    for word in ("one", "other"):
        ran = server.run(["tell", word], cwd=tmp_path, env={"TOLD": "yes"}, told="in")
        assert ran.stdout == f"1 {tmp_path} yes in {word}\n", "nothing is left of the last one"
        assert (ran.stderr, ran.returncode) == ("to stderr\n", 0)


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [("None", 0, ""), ("3", 3, ""), ("'no'", 1, "no\n"), ("1 / 0", 1, "ZeroDivisionError")],
)
def test_it_ends_as_a_process_does(server: ForkServer, code: str, status: int, told: str) -> None:
    ran = server.run(["exit", code])
    assert ran.returncode == status
    assert told in ran.stderr


def test_a_command_that_was_killed_says_by_what(server: ForkServer) -> None:
    assert server.run(["kill"]).returncode == -9


def test_a_warning_is_an_error_where_the_environment_says_so(server: ForkServer) -> None:
    strict = server.run(["warn"], env={"PYTHONWARNINGS": "error"})
    assert (strict.returncode, "UserWarning: careful" in strict.stderr) == (1, True)
    assert server.run(["warn"], env={}).returncode == 0


def test_what_is_imported_comes_from_the_folders_of_the_environment(
    server: ForkServer, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "its_own.py").write_text(f"VALUE = {name!r}")
        env = {**os.environ, "PYTHONPATH": str(tmp_path / name)}
        assert server.run(["import", "its_own"], env=env).stdout == f"{name}\n"


def test_a_command_that_takes_too_long_is_killed(server: ForkServer) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        server.run(["sleep"], timeout=0.1)
    assert server.run(["exit", "0"]).returncode == 0


def test_the_command_says_what_it_says_where_python_starts_it() -> None:
    command = [sys.executable, "-m", "clawmatrix_core.cli"]
    for arguments in (["--help"], ["status", "-c", "nowhere.toml"], ["no-such-command"]):
        usual = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        ran = commands().run(arguments)
        assert (ran.returncode, ran.stdout, ran.stderr) == (
            usual.returncode,
            usual.stdout,
            usual.stderr,
        )
