"""``clawmatrix run`` as a process."""

from __future__ import annotations

import gc
import os
import pty
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core.cli.collector import HELD_BACK, settle
from clawmatrix_core.cli.run import addresses
from clawmatrix_core.loading.contributions import StatusSection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clawmatrix_core.base.json_value import JSON

SECRET = "s" * 40


def write_config(folder: Path, text: str = "plugins = []\n") -> Path:
    path = folder / "office.toml"
    path.write_text(f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\n{text}')
    path.chmod(0o600)
    return path


def add_plugin(folder: Path, code: str) -> None:
    """Install a plugin named ``own``, whose ``start_plugin`` has this body."""
    head = (
        "import os, anyio\n"
        "from clawmatrix_core.base.errors import StartError\n"
        "from clawmatrix_core.hookspecs import hookimpl\n"
        "@hookimpl\n"
        "async def start_plugin(node, scope):\n"
    )
    (folder / "own_plugin.py").write_text(head + textwrap.indent(textwrap.dedent(code), "    "))
    info = folder / "clawmatrix_own-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clawmatrix-own\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[clawmatrix.plugins]\nown = own_plugin\n")


@contextmanager
def running(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the node; the plugin of ``add_plugin`` is found beside its configuration."""
    environ = {**os.environ, "PYTHONPATH": str(path.parent)}
    environ.pop("CLAWMATRIX_LOG", None)
    with subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_node_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running(write_config(tmp_path)) as process:
        assert first_line(process) == "node office is up\n"
        process.send_signal(number)
        out, error = process.communicate(timeout=20)
    assert (process.returncode, out, error) == (0, "", "")


def test_a_signal_while_it_starts_stops_it_too(tmp_path: Path) -> None:
    add_plugin(tmp_path, "print('starting', flush=True)\nawait anyio.sleep_forever()\n")
    with running(write_config(tmp_path, 'plugins = ["own"]\n')) as process:
        assert first_line(process) == "starting\n"
        process.terminate()
        out, error = process.communicate(timeout=20)
    assert (process.returncode, out, error) == (0, "", "")


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    add_plugin(
        tmp_path,
        """
        class Endless:
            async def __aenter__(self): return self
            async def __aexit__(self, *_):
                print("stopping", flush=True)
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
        await scope.enter(Endless())
        """,
    )
    with running(write_config(tmp_path, 'plugins = ["own"]\n')) as process:
        assert first_line(process) == "node office is up\n"
        process.terminate()
        assert first_line(process) == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_a_state_folder_in_use_is_exit_code_4(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    with running(path) as first:
        first_line(first)
        with running(path) as second:
            _, error = second.communicate(timeout=20)
    assert second.returncode == 4
    told = f"clawmatrix: state folder {tmp_path / 'state'} is in use by process {first.pid}: stop "
    assert error.startswith(told)


def test_an_address_in_use_is_exit_code_5(tmp_path: Path) -> None:
    add_plugin(tmp_path, "raise StartError('port 1 is taken', exit_code=5)\n")
    with running(write_config(tmp_path, 'plugins = ["own"]\n')) as process:
        _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (5, "clawmatrix: plugin own: port 1 is taken\n")


def test_a_plugin_that_does_not_start_is_shown_and_the_node_goes_on(tmp_path: Path) -> None:
    add_plugin(tmp_path, "raise ValueError('no luck')\n")
    with running(write_config(tmp_path, 'plugins = ["own"]\n'), "--log-json") as process:
        assert first_line(process) == "node office is up\n"
        process.terminate()
        _, error = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "plugin own failed: did not start: ValueError: no luck" in error
    assert all(line.startswith('{"time": ') for line in error.splitlines())


def test_the_log_says_more_when_asked(tmp_path: Path) -> None:
    add_plugin(tmp_path, "node.logger('own').info('hello')\n")
    path = write_config(tmp_path, 'plugins = ["own"]\nlog = "warning"\n')
    for arguments, expected in (((), False), (("-v",), True), (("--log", "own:info"), True)):
        with running(path, *arguments) as process:
            first_line(process)
            process.terminate()
            _, error = process.communicate(timeout=20)
        assert ("I own: hello" in error) is expected


def test_the_garbage_collector_is_held_back_until_the_node_is_up(tmp_path: Path) -> None:
    add_plugin(
        tmp_path,
        """
        import gc
        def show(): print(*gc.get_threshold(), gc.get_freeze_count() > 10_000, flush=True)
        class Shown:
            async def __aenter__(self): show()
            async def __aexit__(self, *_): show()
        await scope.enter(Shown())
        """,
    )
    with running(write_config(tmp_path, 'plugins = ["own"]\n')) as process:
        assert first_line(process) == f"{' '.join(map(str, HELD_BACK))} False\n"
        assert first_line(process) == "node office is up\n"
        process.terminate()
        out, _ = process.communicate(timeout=20)
    assert out == f"{' '.join(map(str, gc.get_threshold()))} True\n"


def test_a_program_that_holds_nothing_back_keeps_its_settings() -> None:
    before = gc.get_threshold()
    assert before != HELD_BACK
    frozen = gc.get_freeze_count()
    settle()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)


@pytest.mark.anyio
async def test_the_addresses_come_from_the_sections_of_the_status() -> None:
    async def slow() -> JSON:
        await anyio.lowlevel.checkpoint()
        return {"listen": "tcp://d:4"}

    def broken() -> JSON:
        raise ValueError("no reading")

    sections = [
        StatusSection("mesh", lambda: {"listen": ["ws://a:1", "ws://b:2"]}),
        StatusSection("http", lambda: {"listen": "http://c:3"}),
        StatusSection("relay", lambda: {"listen": None}),
        StatusSection("more", lambda: [1]),
        StatusSection("slow", slow),
        StatusSection("broken", broken),
    ]
    assert await addresses(sections) == ["ws://a:1", "ws://b:2", "http://c:3", "tcp://d:4"]


# --- SIGHUP


def stderr_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the log up to the line that has the text."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"the log ended without {text!r}:\n{read}")


def test_sighup_has_the_file_read_again_with_its_log_levels(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    with running(path) as process:
        first_line(process)
        path.write_text(f'log = "info"\ntags = ["new"]\n{path.read_text()}')
        process.send_signal(signal.SIGHUP)
        assert " I node: reloaded: log, tags\n" in stderr_until(process, "reloaded")
        process.terminate()
        assert process.wait(20) == 0


def test_sighup_with_mistakes_in_the_file_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    good = path.read_text()
    with running(path) as process:
        first_line(process)
        path.write_text(f'tag = ["new"]\nlog = "loud"\n{good}')
        process.send_signal(signal.SIGHUP)
        log = stderr_until(process, "tag: unknown key")
        assert log.count("has a mistake, nothing was reloaded") == 2
        assert 'log: "loud" is not one of' in log
        path.write_text(f'log = "info"\n{good}')
        process.send_signal(signal.SIGHUP)
        assert "reloaded: log\n" in stderr_until(process, "reloaded")


def test_sighup_while_it_starts_is_heeded_once_it_is_up(tmp_path: Path) -> None:
    add_plugin(
        tmp_path,
        """
        print("starting", flush=True)
        while not os.path.exists(node.config.path.parent / "go"):
            await anyio.sleep(0.01)
        """,
    )
    path = write_config(tmp_path, 'plugins = ["own"]\n')
    with running(path) as process:
        assert first_line(process) == "starting\n"
        path.write_text(f'log = "info"\n{path.read_text()}')
        process.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        assert "reloaded: log\n" in stderr_until(process, "reloaded")


ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may have been started by nohup
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_terminal_that_is_closed_stops_the_node_in_order(tmp_path: Path) -> None:
    add_plugin(
        tmp_path,
        """
        class Stopping:
            async def __aenter__(self): return self
            async def __aexit__(self, *_):
                (node.config.path.parent / "stopped").touch()
        await scope.enter(Stopping())
        """,
    )
    path = write_config(tmp_path, 'plugins = ["own"]\n')
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL]
    with subprocess.Popen(
        [*command, "-m", "clawmatrix_core.cli", "run", "-c", str(path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as process:
        try:
            os.close(theirs)
            shown = b""
            while b"is up" not in shown:
                shown += os.read(ours, 4096)
            os.close(ours)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert (tmp_path / "stopped").exists()
