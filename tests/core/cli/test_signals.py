"""What signals do to a node in the foreground; as a process, in ``test_cli_run``."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.cli.signals import Signals
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def handled(node: Node | None) -> AsyncIterator[Signals]:
    signals = Signals()
    signals.node = node
    async with anyio.create_task_group() as tasks:
        await tasks.start(signals.watch)
        tasks.start_soon(signals.reload)
        yield signals
        tasks.cancel_scope.cancel()


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def write(path: Path, text: str) -> None:
    path.write_text(f'{text}\nnode_id = "a"\nsecret = "{SECRET}"\n')
    path.chmod(0o600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_first_signal_stops_the_node(
    node_factory: NodeFactory, number: signal.Signals
) -> None:
    async with node_factory("a", built_in=()) as node, handled(node):
        send(number)
        with anyio.fail_after(5):
            await node.wait_stop()


async def test_a_signal_before_the_node_is_up_ends_its_start() -> None:
    async with handled(None) as signals:
        send(signal.SIGTERM)
        with anyio.fail_after(5), signals.starting:
            await anyio.sleep_forever()
        assert signals.starting.cancel_called


async def test_sighup_reloads_and_what_is_wrong_is_logged(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.toml"
    write(path, "")
    async with node_factory("a", built_in=()) as node, handled(node):
        send(signal.SIGHUP)
        await wait_until(lambda: "from code" in caplog.text)
        assert "nothing was reloaded: the configuration is from code" in caplog.text
        await node.reload(Config.load(path))
        write(path, 'tag = ["x"]\nlog = "loud"')
        send(signal.SIGHUP)
        await wait_until(lambda: caplog.text.count("has a mistake, nothing was reloaded") == 2)
        write(path, 'tags = ["x"]')
        send(signal.SIGHUP)
        await wait_until(lambda: node.config.tags == ("x",))


@pytest.mark.faults_expected
async def test_what_a_plugin_did_not_take_over_is_logged(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        plugin_name = "broken"

        @hookimpl
        async def config_changed(self) -> None:
            raise ValueError("no room")

    path = tmp_path / "a.toml"
    write(path, "")
    async with node_factory("a", built_in=(), plugins=[Broken()]) as node, handled(node):
        await node.reload(Config.load(path))
        write(path, 'tags = ["x"]')
        send(signal.SIGHUP)
        await wait_until(lambda: "not all of the configuration is in force" in caplog.text)
        assert "broken: config_changed: ValueError: no room" in caplog.text
