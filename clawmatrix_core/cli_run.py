"""``clawmatrix run``: a node in the foreground."""

from __future__ import annotations

import importlib.util
import os
import signal
from typing import TYPE_CHECKING, Any

import anyio
import click

from clawmatrix_core.cli_config import problems_of
from clawmatrix_core.cli_context import ExitCode, Settings, pass_settings
from clawmatrix_core.errors import ConfigError
from clawmatrix_core.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.abc import TaskStatus

    from clawmatrix_core.config import Config
    from clawmatrix_core.plugin_types import StatusSection

__all__ = ["addresses", "run", "serve"]


@click.command()
@pass_settings
def run(settings: Settings) -> int:
    """Run the node of the configuration, until it is stopped.

    SIGINT (Ctrl-C) and SIGTERM stop it in order; a second one hurries.
    """
    config = settings.load_config()
    settings.start_logging(config)
    options = {"use_uvloop": importlib.util.find_spec("uvloop") is not None}
    return anyio.run(serve, config, backend="asyncio", backend_options=options)


async def serve(config: Config) -> int:
    """Run a node until a signal comes; return the exit code.

    Raises: what the node raises when it cannot start.
    """
    stop = _Stop()
    async with anyio.create_task_group() as tasks:
        await tasks.start(stop.watch)
        with stop.starting:
            async with _node(config) as node:
                click.echo(_is_up(node))
                stop.node = node
                await node.wait_stop()
        tasks.cancel_scope.cancel()
    return ExitCode.OK


class _Stop:
    """Turns a first signal into the node's stop, and a second one into the program's end."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.starting = anyio.CancelScope()

    async def watch(self, *, task_status: TaskStatus[None]) -> None:
        """Handle signals, until cancelled."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            first = True
            async for number in signals:
                if not first:
                    os._exit(128 + number)  # files are replaced as a whole: none is torn
                first = False
                if self.node is not None:
                    self.node.stop()
                else:
                    self.starting.cancel()


def _node(config: Config) -> Node:
    try:
        return Node(config)
    except ConfigError:
        raise ConfigError(problems_of(config)) from None  # those of the plugins' tables too


def _is_up(node: Node) -> str:
    where = addresses(node.status_sections())
    return f"node {node.id} is up" + (f": {', '.join(where)}" if where else "")


def addresses(sections: Iterable[StatusSection]) -> list[str]:
    """Return what the sections of the status say under ``listen``."""
    found: list[str] = []
    for section in sections:
        value: Any = section.read()
        listen = value.get("listen") if isinstance(value, dict) else None
        found += [listen] if isinstance(listen, str) else listen or []
    return [str(address) for address in found]
