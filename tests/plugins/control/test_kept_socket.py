"""A running node's control socket is made again when it goes."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from clawmatrix_control.kept_socket import KeptSocket
from clawmatrix_control.server import ControlServer
from clawmatrix_core.control.address import NOTE, control_socket_paths
from clawmatrix_core.control.protocol import request_line
from clawmatrix_core.loading.contributions import ControlMethod
from clawmatrix_core.testing import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

LOG = logging.getLogger("clawmatrix.control")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path, and in it the only runtime folder there is."""
    with tempfile.TemporaryDirectory(prefix="cm", dir="/tmp") as folder:
        (Path(folder) / "run").mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", f"{folder}/run")
        monkeypatch.setattr(tempfile, "tempdir", f"{folder}/temp")
        yield Path(folder)


async def _echo(params: dict[str, Any]) -> Any:
    await checkpoint()
    return params


@asynccontextmanager
async def running(home: Path, *, look: float = 3600.0) -> AsyncIterator[KeptSocket]:
    methods = {"echo": ControlMethod("echo", call=_echo)}
    server = ControlServer(methods.get, lambda: methods, _no_fault)
    async with (
        KeptSocket(home / "state", LOG, look=look) as kept,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(kept.serve, server)
        yield kept
        tasks.cancel_scope.cancel()


def _no_fault(error: Exception, what: str | None) -> None:
    raise AssertionError(what) from error


async def ask(home: Path) -> Any:
    """Ask the node as commands do: where it noted its socket, then at the usual place."""
    for path in control_socket_paths(home / "state"):
        try:
            stream = await anyio.connect_unix(path)
        except (FileNotFoundError, ConnectionRefusedError):  # it is about to listen
            continue
        async with stream:
            await stream.send(request_line("echo", {"n": 1}))
            return msgspec.json.decode(await stream.receive())
    return None


async def until_answered(home: Path) -> None:
    with anyio.fail_after(10):
        while await ask(home) != {"result": {"n": 1}}:
            await checkpoint()


async def test_control_socket_removed_with_its_folder_is_made_again(home: Path) -> None:
    async with running(home, look=0.01) as kept:
        first = kept.path
        shutil.rmtree(home / "run")  # logged out
        (home / "run").mkdir(mode=0o700)  # and in again
        await until_answered(home)
        assert first.exists()
    assert not first.exists()
    assert not (home / "state" / NOTE).exists()


async def test_control_socket_removed_for_good_moves_and_commands_find_it(home: Path) -> None:
    (home / "temp").mkdir()
    async with running(home) as kept:
        shutil.rmtree(home / "run")
        assert await ask(home) is None
        assert await kept.mend()
        assert kept.path.parent.parent == home / "temp"
        (home / "run").mkdir(mode=0o700)  # the usual place is another one again
        assert not await kept.mend()


async def test_a_socket_that_moved_answers(home: Path) -> None:
    (home / "temp").mkdir()
    async with running(home, look=0.01) as kept:
        shutil.rmtree(home / "run")
        await wait_until(lambda: kept.path.parent.parent == home / "temp")
        (home / "run").mkdir(mode=0o700)
        await until_answered(home)


async def test_a_socket_in_the_state_folder_answers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "run" / "clawmatrix").touch()
    monkeypatch.setattr("clawmatrix_core.control.address._TEMP", home / "nowhere")
    async with running(home) as kept:
        assert kept.path == home / "state" / "control.sock"
        assert await ask(home) == {"result": {"n": 1}}
    assert not kept.path.exists()


async def test_clients_that_are_there_are_served_to_the_end(home: Path) -> None:
    async with running(home, look=0.01) as kept, await anyio.connect_unix(kept.path) as stream:
        await anyio.wait_all_tasks_blocked()  # it is accepted
        kept.path.unlink()
        await wait_until(kept.path.exists)
        await stream.send(request_line("echo", {}))
        with anyio.fail_after(10):
            assert msgspec.json.decode(await stream.receive()) == {"result": {}}


async def test_a_socket_that_cannot_be_made_again_is_told_once_and_made_later(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(home) as kept:
        kept.path.unlink()
        kept.path.mkdir()
        with caplog.at_level(logging.WARNING, LOG.name):
            assert not await kept.mend()
            assert not await kept.mend()
        assert len(caplog.records) == 1
        kept.path.rmdir()
        assert await kept.mend()
