"""``clawmatrix run``: a node in the foreground."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import anyio
import click

from clawmatrix_core import hookspecs
from clawmatrix_core.base.faults import Overrun
from clawmatrix_core.cli.collector import forget_sources, settle
from clawmatrix_core.cli.context import ExitCode, Settings, pass_settings, printable
from clawmatrix_core.cli.owner import require_own_file
from clawmatrix_core.cli.signals import Signals
from clawmatrix_core.cli.stopping import StopLimit
from clawmatrix_core.kernel.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.loading.contributions import StatusSection

__all__ = ["addresses", "run", "serve"]


@click.command(epilog="Example: clawmatrix run -c relay.toml")
@pass_settings
def run(settings: Settings) -> int:
    """Run the node of the configuration, until it is stopped.

    SIGINT (Ctrl-C) and SIGTERM stop it in order; a second one hurries. SIGHUP has it read
    its configuration again.
    """
    config = settings.load_config()
    require_own_file(settings.config_file())
    settings.start_logging(config)
    options = {"use_uvloop": importlib.util.find_spec("uvloop") is not None}
    return anyio.run(serve, config, settings, backend="asyncio", backend_options=options)


async def serve(config: Config, settings: Settings) -> int:
    """Run a node until a signal comes; return the exit code.

    Raises: what the node raises when it cannot start.
    """
    forget_sources()
    node = Node(config)
    forget_sources()
    with StopLimit(config.stop_timeout, node.held_up_by) as limit:
        signals = Signals(limit.begin)
        async with anyio.create_task_group() as tasks:
            await tasks.start(signals.watch)
            tasks.start_soon(limit.watch, node)
            with signals.starting:
                async with node:
                    node.when_reloaded(lambda changes: _reloaded(node, settings, changes))
                    _look_at_commands(node)
                    click.echo(printable(await _is_up(node)))
                    settle()
                    signals.node = node
                    tasks.start_soon(signals.reload)
                    await node.wait_stop()
            tasks.cancel_scope.cancel()
    return ExitCode.FAILURE if _was_held_up(node) else ExitCode.OK


def _was_held_up(node: Node) -> bool:
    """Say whether a plugin took longer over the stop than it may, and was cut off."""
    late = f"{hookspecs.node_stopping.__name__}: {Overrun.__name__}"
    return any((info.last_fault or "").startswith(late) for info in node.plugins.list())


def _look_at_commands(node: Node) -> None:
    """Log the problems of third parties' commands."""
    wanted = hookspecs.register_commands.__name__
    if any(wanted in info.hooks and not info.built_in for info in node.plugins.active()):
        from clawmatrix_core.cli.shell import OWN_COMMANDS  # which imports this module

        node.plugins.commands(OWN_COMMANDS)


def _reloaded(node: Node, settings: Settings, changes: Changes) -> None:
    if "log" in changes.reloaded:
        settings.start_logging(node.config)


async def _is_up(node: Node) -> str:
    where = await addresses(node.status_sections())
    return f"node {node.id} is up" + (f": {', '.join(where)}" if where else "")


async def addresses(sections: Iterable[StatusSection]) -> list[str]:
    """Return what the sections of the status say under ``listen``."""
    found: list[str] = []
    for section in sections:
        value: Any = await section.value()
        listen = value.get("listen") if isinstance(value, dict) else None
        found += [listen] if isinstance(listen, str) else listen if isinstance(listen, list) else []
    return [str(address) for address in found]
