"""Nodes inside a host's process: nothing of the host's is touched."""

from __future__ import annotations

import logging
import signal
import socket
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import StartError
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.testing.fixtures import wait_until
from tests.integration.conftest import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def config(folder: Path, name: str, **tables: Any) -> Config:
    """Return a node's configuration, with every built-in plugin."""
    return Config.from_mapping(
        {
            "node_id": name,
            "secret": SECRET,
            "state_dir": str(folder / name),
            "http": {"listen": "127.0.0.1:0"},
            **tables,
        }
    )


def host_state() -> tuple[Any, ...]:
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    root = logging.getLogger()
    return signals, root.level, tuple(root.handlers)


def status(node: Node, section: str) -> Any:
    [found] = [one for one in node.status_sections() if one.name == section]
    return found.read()


async def run_two(folder: Path) -> None:
    before = host_state()
    async with Node(config(folder, "relay", mesh={"listen": "127.0.0.1:0"})) as relay:
        [address] = status(relay, "mesh")["listen"]
        async with Node(config(folder, "home", mesh={"peers": [address]})) as home:
            assert host_state() == before
            for node in (relay, home):
                assert not [one for one in node.plugins.list() if one.state == "failed"]
            assert status(relay, "http")["listen"] != status(home, "http")["listen"]
            await wait_until(lambda: "home" in relay.links)
            async with home.exchange("relay", "ping", {"n": 1}, complete=True) as ex:
                assert await ex.receive() == {"n": 1}
    assert host_state() == before


def test_two_whole_nodes_in_one_process_leave_the_host_alone(tmp_path: Path) -> None:
    anyio.run(run_two, tmp_path)


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize("table", ["http", "mesh"])
def test_a_port_that_is_taken_is_an_error_and_no_exit(
    tmp_path: Path, taken: str, table: str
) -> None:
    async def run() -> None:
        before = host_state()
        with pytest.raises(StartError, match=taken) as raised:
            async with Node(config(tmp_path, "node", **{table: {"listen": taken}})):
                pass
        assert raised.value.exit_code == 5
        assert host_state() == before
        # Nothing is half-started: the state folder is free for the next try.
        async with Node(config(tmp_path, "node")):
            pass

    anyio.run(run)
