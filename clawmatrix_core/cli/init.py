"""``clawmatrix init``: a configuration that a node can start with."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from clawmatrix_core.base.paths import expand
from clawmatrix_core.base.redaction import shown_address
from clawmatrix_core.cli.context import Settings, pass_settings, printable
from clawmatrix_core.cli.new_config import (
    DEFAULT_HTTP,
    DEFAULT_LISTEN,
    NewConfig,
    make_secret,
)
from clawmatrix_core.members.identity import key_text, load_identity
from clawmatrix_core.state.folder import StateFolder, StateView

__all__ = ["init"]


@click.command(epilog="Example: clawmatrix init --node-id relay")
@click.option("--node-id", metavar="ID", help="The node's name; else this host's.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Where other nodes connect to; {DEFAULT_LISTEN} if no --peer is given.",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Where programs on this machine reach the models; else 127.0.0.1:19100.",
)
@click.option("--peer", "peers", metavar="URL", multiple=True, help="A node to connect to.")
@click.option(
    "--secret",
    metavar="REF",
    help='The secret of an existing mesh: "env:NAME", "file:PATH", or "-" to type it in.',
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The file with the secret of an existing mesh.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the node keeps its keys and its state; else in the usual folder.",
)
@click.option("--force", is_flag=True, help="Overwrite a configuration that is there.")
@pass_settings
def init(
    settings: Settings,
    node_id: str | None,
    listen: str | None,
    http: str | None,
    peers: tuple[str, ...],
    secret: str | None,
    secret_file: Path | None,
    state: Path | None,
    force: bool,
) -> None:
    """Write a configuration for this machine.

    A new mesh gets a secret of 256 random bits, and this node can put others out of it. To join a
    mesh, name one of its nodes with --peer, and give its secret.
    """
    new = NewConfig.plan(
        settings,
        node_id=node_id,
        listen=listen,
        peers=peers,
        secret=lambda: _secret(secret, secret_file, joins=bool(peers)),
        force=force,
        state=state,
    )
    new = new.with_http(http)
    notes = new.check()
    if not peers:  # in a mesh that exists, its own nodes decide this
        revokers = {new.node_id: key_text(_own_key(new.state_folder))}
        new = new.with_table("mesh", revokers=revokers)
    new.write(force=force)
    config_option = f" -c {new.path}" if settings.file is not None else ""
    steps = _next_steps(new, peers, config_option)
    lines = [f"wrote {new.path}", *notes, *steps]
    click.echo("\n".join(map(printable, lines)))


def _own_key(folder: Path) -> bytes:
    """Return the public key of a state; make a missing key. Raises: StateError."""
    if StateView(folder).read("identity") is not None:
        return load_identity(StateView(folder)).sign_public
    with StateFolder(folder) as state:
        return load_identity(state).sign_public


def _secret(given: str | None, file: Path | None, *, joins: bool) -> str:
    if given is not None and file is not None:
        raise click.UsageError("give --secret or --secret-file, not both")
    if file is not None:
        return f"file:{expand(file).absolute()}"
    if given is None and joins:
        raise click.UsageError(
            "to join a mesh its secret is needed: --secret or --secret-file"
            " (or an invitation, which needs none: `clawmatrix join`)"
        )
    if given == "-":
        return _read_secret()
    return given or make_secret()


def _read_secret() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Secret of the mesh", hide_input=True, err=True)).strip()
    return sys.stdin.readline(64 * 1024).strip()


def _next_steps(new: NewConfig, peers: tuple[str, ...], config_option: str) -> list[str]:
    steps = [
        f"  node   {new.node_id}",
        f"  listen {new.listen or '(connects to others only)'}",
        f"  models http://{new.tables.get('http', {}).get('listen', DEFAULT_HTTP)}/v1",
        *(f"  peer   {shown_address(peer)}" for peer in peers),
        "",
        f"Start it:              clawmatrix run{config_option}",
        f"Have it run always:    clawmatrix service{config_option}",
    ]
    if new.listen is not None:
        steps.append(f"Let another one in:    clawmatrix invite{config_option}")
        steps.append("                       (while it runs; there: clawmatrix join)")
    steps.append(f"Then look at the mesh: clawmatrix status{config_option}")
    return steps
