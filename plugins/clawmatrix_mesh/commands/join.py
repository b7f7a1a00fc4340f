"""``clawmatrix join``: make this machine a node of the mesh that invited it."""

from __future__ import annotations

import os
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
import click

from clawmatrix_core import ConfigError, DialError, NodeId, StateFolder, shown_address
from clawmatrix_core.cli import (
    CommandError,
    ExitCode,
    Progress,
    Settings,
    pass_settings,
    printable,
)
from clawmatrix_core.spi import (
    HandshakeError,
    NewConfig,
    TrustStore,
    load_identity,
)
from clawmatrix_mesh.addresses import without_address
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.invite.joining import Welcomed, join_mesh
from clawmatrix_mesh.invite.token import BadToken, Token
from clawmatrix_mesh.websocket.tls import client_tls
from clawmatrix_mesh.websocket.transport import WebSocketTransport

if TYPE_CHECKING:
    from clawmatrix_core.spi import Identity

__all__ = ["JoinExitCode", "join"]


class JoinExitCode(IntEnum):
    """Exit codes of ``clawmatrix join``, beside those of every command."""

    BAD_TOKEN = 8
    INVITE_UNKNOWN = 9
    INVITE_USED = 10
    INVITE_EXPIRED = 11


_ASK = "ask for another invitation"
_REFUSED: dict[str, tuple[int, str]] = {
    "invite_unknown": (JoinExitCode.INVITE_UNKNOWN, f"it was revoked, or never made there; {_ASK}"),
    "invite_used": (
        JoinExitCode.INVITE_USED,
        f"{_ASK}, and tell whoever sent this one if it was not you who used it",
    ),
    "invite_expired": (JoinExitCode.INVITE_EXPIRED, _ASK),
    "invite_name": (
        ExitCode.FAILURE,
        "join under the name that it was made for, with --node-id; it was not used up",
    ),
    "busy": (ExitCode.UNREACHABLE, "try again in a minute"),
    "key_refused": (
        ExitCode.FAILURE,
        "choose another name with --node-id, or, if this is that machine installed again, run"
        " `clawmatrix trust accept {name} {key}` there and join once more",
    ),
    "wrong_node": (ExitCode.UNREACHABLE, "it is not the one that invited, and was told nothing"),
}
"""What the reasons of refusals mean for whoever joins."""


class JoinError(CommandError):
    """This machine could not join, and what a person can do about it."""


@click.command(epilog="Example: clawmatrix join --node-id office")
@click.argument("token", metavar="[TOKEN|-]", default="-")
@click.option("--node-id", metavar="ID", help="This node's name; else this host's.")
@click.option("--listen", metavar="HOST:PORT", help="Where other nodes can connect to this one.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Certificates to trust for wss beside the system's, in PEM.",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Where programs on this machine reach the models; else 127.0.0.1:19100.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the node keeps its keys and its state; else in the usual folder.",
)
@pass_settings
def join(
    settings: Settings,
    token: str,
    node_id: str | None,
    listen: str | None,
    ca: Path | None,
    http: str | None,
    state: Path | None,
) -> None:
    """Join the mesh that made an invitation, and write the configuration of this node.

    The invitation's token is asked for, and not shown; where standard input is no terminal, it is
    read from there: `clawmatrix invite | ssh lab clawmatrix join -`. TOKEN on the command line
    works too, and stays in the shell's history.
    """
    invitation = _decode(_read() if token == "-" else token)
    new = NewConfig.plan(
        settings,
        node_id=node_id,
        listen=listen,
        peers=invitation.addresses,
        state=state,
        ca=None if ca is None else str(ca.expanduser().absolute()),
    )
    new = new.with_http(http)
    new.check()  # a secret of its own stands there until the mesh's is known
    _require_writable(new.path)
    welcomed = _use(invitation, new, ca)
    revokers = welcomed.revokers.texts()
    attrs.evolve(new, secret=welcomed.secret).with_table("mesh", revokers=revokers).write()
    named = ", ".join(revokers) or "nobody (see [mesh.revokers])"
    suffix = f" -c {new.path}" if settings.file is not None else ""
    click.echo(
        f"joined the mesh of {printable(invitation.node_id)} as {new.node_id}\n"
        f"wrote {new.path}\n"
        f"Nodes that can put another one out: {named}\n\n"
        f"Start it:              clawmatrix run{suffix}\n"
        f"Have it run always:    clawmatrix service{suffix}\n"
        f"Then look at the mesh: clawmatrix status{suffix}"
    )


def _read() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Invitation", hide_input=True, err=True))
    given = sys.stdin.read(64 * 1024)
    if not given.strip():
        raise JoinError(
            "no invitation came by standard input: run this on a terminal, which asks for it",
            exit_code=JoinExitCode.BAD_TOKEN,
        )
    return given


def _decode(text: str) -> Token:
    try:
        return Token.decode(text)
    except BadToken as error:
        raise JoinError(str(error), exit_code=JoinExitCode.BAD_TOKEN) from None


def _require_writable(path: Path) -> None:
    """Find out before the invitation is used up. Raises: ConfigError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"{path} cannot be written: {error.strerror}"]) from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError([f"{path} cannot be written: {path.parent} is not yours to write to"])


def _use(token: Token, new: NewConfig, ca: Path | None) -> Welcomed:
    """Use the invitation; keep this node's keys, and whose key the inviting node's is."""
    name = NodeId(new.node_id)
    transport = WebSocketTransport(client_tls=client_tls(MeshConfig(ca=ca)))
    where = ", ".join(map(shown_address, token.addresses))
    with StateFolder(new.state_folder) as state, Progress() as progress:
        progress.show(f"dialling {token.node_id} at {where} ...")
        welcomed = _join(token, name, load_identity(state), transport)
        # The token led to this key, whatever was known before.
        TrustStore(state).insist(NodeId(token.node_id), welcomed.sign_public, now=time.time())
    return welcomed


def _join(
    token: Token, name: NodeId, identity: Identity, transport: WebSocketTransport
) -> Welcomed:
    try:
        return anyio.run(join_mesh, token, name, identity, transport)
    except DialError as error:
        told = _without_addresses(error, token)
        raise JoinError(
            f"{token.node_id} is not reached: {told}", exit_code=ExitCode.UNREACHABLE
        ) from None
    except HandshakeError as error:
        code, hint = _REFUSED.get(error.reason, (ExitCode.FAILURE, ""))
        hint = hint.format(name=name, key=identity.fingerprint)
        told = _without_addresses(error, token)
        raise JoinError(f"{told}: {hint}" if hint else told, exit_code=code) from None


def _without_addresses(error: Exception, token: Token) -> str:
    text = str(error)
    for address in token.addresses:
        text = without_address(text, address)
    return text
