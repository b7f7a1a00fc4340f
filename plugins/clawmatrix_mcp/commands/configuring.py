"""``clawmatrix mcp config``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli import Settings, call, echo_json, pass_settings
from clawmatrix_mcp.commands.snippets import CLIENTS, Way

if TYPE_CHECKING:
    from clawmatrix_mcp.commands.snippets import Snippet

__all__ = ["config_command"]


@click.command("config", epilog="Example: clawmatrix mcp config claude-code")
@click.argument("client", type=click.Choice(list(CLIENTS)))
@click.option("--stdio", is_flag=True, help="Have the client start `clawmatrix mcp`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@pass_settings
def config_command(settings: Settings, client: str, stdio: bool, as_json: bool) -> None:
    """Print what CLIENT's configuration needs to use the tools of the mesh.

    The token is not in it: clients that read environment variables take CLAWMATRIX_TOKEN. Where
    the output goes, and what else is to be done, is printed to standard error.
    """
    chosen = CLIENTS[client]
    file = settings.config_file()
    url = None
    if chosen.takes_url and not stdio:
        url = call(file, "http.env")["baseUrl"].removesuffix("/v1") + "/mcp"
    snippet = chosen.write(Way(url, _command(file)))
    if as_json:
        echo_json({"client": client, "url": url, **_as_dict(snippet)})
        return
    click.echo(snippet.text, nl=False)
    if sys.stdout.isatty():
        click.echo(err=True)
    needs = f"; {snippet.needs}" if snippet.needs else ""
    click.echo(f"clawmatrix: for {snippet.file} of {chosen.title}{needs}", err=True)


def _as_dict(snippet: Snippet) -> dict[str, str]:
    found = {"file": snippet.file, "language": snippet.language, "text": snippet.text}
    return {**found, "needs": snippet.needs}


def _command(file: Path) -> list[str]:
    """Return the command that runs from any folder, and without the shell's PATH."""
    program = Path(sys.argv[0]).absolute()
    own = [str(program)]
    if program.name != "clawmatrix" or not os.access(program, os.X_OK):
        own = [sys.executable, "-m", "clawmatrix_core.cli"]
    return [*own, "mcp", "-c", str(file.absolute())]
