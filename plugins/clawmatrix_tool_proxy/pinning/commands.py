"""``clawmatrix tools pins``, ``accept`` and ``unpin``, as people type them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli import (
    CommandError,
    Settings,
    call,
    echo_json,
    pass_settings,
    printable,
    stream,
)
from clawmatrix_tool_proxy.pinning.words import change_lines, owner_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_core import JSON

__all__ = ["accept", "pins", "unpin"]


@click.command(epilog="Example: clawmatrix tools pins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def pins(settings: Settings, as_json: bool) -> None:
    """List the tools of mounted servers and other nodes that are accepted here, and what waits."""
    found = call(settings.config_file(), "tools.pins")
    if as_json:
        echo_json(found)
        return
    if found["lost"]:
        click.echo("earlier pins are lost: all that was not accepted since then waits")
    if not found["owners"]:
        click.echo("no tool of a server or another node was seen here", err=True)
    for owner in found["owners"]:
        for line in owner_lines(owner):
            click.echo(printable(line))


@click.command(epilog="Example: clawmatrix tools accept office read")
@click.argument("owner", metavar="SERVER|NODE", required=False)
@click.argument("tools", metavar="[TOOL]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Accept all that waits.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether that is meant.")
@pass_settings
def accept(
    settings: Settings,
    owner: str | None,
    tools: tuple[str, ...],
    everything: bool,
    yes: bool,
) -> None:
    """Show new and changed tools of SERVER or NODE, and accept TOOL, or with --all each of them.

    What is shown is accepted, and nothing else: where it has changed again, nothing is. On a
    terminal it asks first. Without TOOL and --all it shows what waits, and accepts nothing.

    With --all alone it accepts what waits of all servers and nodes; where pins were lost, it also
    has the first list of each new server or node pinned again.
    """
    if everything and tools:
        raise click.UsageError("--all is for all tools, and does not go with names of some")
    config = settings.config_file()
    waiting = _waiting(config, owner, tools)
    if not waiting and (owner is not None or not everything):
        whose = "" if owner is None else f" of {owner}"
        click.echo(f"nothing{whose} waits")
        return
    for item in waiting:
        for line in change_lines(item):
            click.echo(line)
    if not (tools or everything):
        raise CommandError("nothing was accepted: name tools of a server or node, or add --all")
    if not yes and sys.stdin.isatty() and not click.confirm("Accept exactly this?"):
        raise CommandError("nothing was accepted")
    _accept(config, waiting, lost=False if owner is None else None)


@click.command(epilog="Example: clawmatrix tools unpin office")
@click.argument("owner", metavar="SERVER|NODE")
@pass_settings
def unpin(settings: Settings, owner: str) -> None:
    """Forget what was accepted of SERVER or NODE: its next list is taken as it is."""
    call(settings.config_file(), "tools.unpin", {"name": owner})
    click.echo(f"the tools of {owner} are no longer pinned")


def _waiting(config: Path, owner: str | None, tools: Sequence[str]) -> list[JSON]:
    params = {} if owner is None else {"name": owner}
    found = list(stream(config, "tools.waiting", params))
    missing = sorted(set(tools) - {item["tool"] for item in found})
    if missing:
        raise CommandError(f"of {owner} there waits no {', '.join(missing)}")
    return [item for item in found if not tools or item["tool"] in tools]


def _accept(config: Path, waiting: Sequence[JSON], *, lost: bool | None) -> None:
    shown: dict[str, dict[str, str]] = {}
    for item in waiting:
        if item["digest"] is not None:
            shown.setdefault(f"{item['kind']}/{item['name']}", {})[item["tool"]] = item["digest"]
    for name, digests in shown.items():
        call(config, "tools.accept", {"name": name, "tools": digests})
        click.echo(printable(f"{name}: accepted {', '.join(sorted(digests))}"))
    if lost is False:
        call(config, "tools.accept", {"tools": {}, "lost": False})
