"""``clawmatrix mcp``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli import Settings, call, pass_settings, printable
from clawmatrix_mcp.commands.configuring import config_command

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_mcp.stdio.place import Target

__all__ = ["mcp"]

_ANSWERS_WITHIN = 5.0
"""Seconds in which a node that runs says where its HTTP server is."""


@click.group(
    invoke_without_command=True, epilog="Example: clawmatrix mcp config claude-code --stdio"
)
@pass_settings
@click.pass_context
def mcp(context: click.Context, settings: Settings) -> None:
    """Be an MCP server on standard input and output that has the tools of the mesh.

    For MCP clients that start their servers: each message goes to the /mcp of the running node,
    with its token. Ends when the client closes standard input. `clawmatrix mcp config CLIENT`
    prints what a client's configuration needs.
    """
    if context.invoked_subcommand is not None:
        return
    from clawmatrix_mcp.stdio.place import Place
    from clawmatrix_mcp.stdio.pump import run

    file = settings.config_file()
    run(Place(lambda: _find(file), _tell), _tell)


mcp.add_command(config_command)


def _find(file: Path) -> Target:
    from clawmatrix_mcp.stdio.place import Target

    found = call(file, "http.env", timeout=_ANSWERS_WITHIN, tell=False)
    return Target(found["baseUrl"].removesuffix("/v1") + "/mcp", found["token"])


def _tell(words: str) -> None:
    """Say something to whoever reads the client's log; nobody may."""
    try:
        click.echo(f"clawmatrix: mcp: {printable(words)}", err=True)
        sys.stderr.flush()
    except OSError:
        return
