"""``clawmatrix invite``: let a new node into the mesh, by a token that is good once."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import click

from clawmatrix_core import Duration, shown_address
from clawmatrix_core.cli import Settings, call, echo_json, pass_settings, printable
from clawmatrix_mesh.invite.methods import check_dialable, whole_address

__all__ = ["invite"]


_ONLY_HERE = "That is this machine's own address, which no other machine can dial.\n"


class _DurationType(click.ParamType[Duration]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Duration:
        if isinstance(value, Duration):
            return value
        try:
            return Duration.parse(str(value))
        except TypeError:
            self.fail(f"expected {Duration.config_words}", param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _dialable(
    context: click.Context, option: click.Parameter, addresses: tuple[str, ...]
) -> tuple[str, ...]:
    for address in addresses:
        try:
            check_dialable(whole_address(address, "ws", 0))
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from None
    return addresses


@click.group(
    invoke_without_command=True, epilog="Example: clawmatrix invite --address relay.example"
)
@click.option(
    "--expires",
    type=_DurationType(),
    default="1h",
    show_default=True,
    metavar="DURATION",
    help='How long it is good, such as "10m"; 7 days at most.',
)
@click.option(
    "--address",
    "addresses",
    metavar="URL",
    multiple=True,
    callback=_dialable,
    help="Where the new node dials this one: a whole address, or a host alone, for the port that"
    " this node listens at; else what it advertises or listens on.",
)
@click.option(
    "--name",
    metavar="ID",
    help="The name of the new node: only a node that joins under it is let in, and this node knows"
    " its key as that name's from then on. Without it the key is known as that of any node.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def invite(
    context: click.Context,
    expires: Duration,
    addresses: tuple[str, ...],
    name: str | None,
    as_json: bool,
) -> None:
    """Print a token with which one new node can join the mesh, once.

    The token goes to standard output, all else to standard error: `clawmatrix invite | ssh lab
    clawmatrix join -`.
    """
    if context.invoked_subcommand is not None:
        return
    settings = context.ensure_object(Settings)
    params = {"expires": float(expires), "addresses": list(addresses) or None, "name": name}
    made = call(settings.config_file(), "invite.add", params)
    if as_json:
        echo_json(made)
        return
    where = ", ".join(printable(shown_address(address)) for address in made["addresses"])
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(made["expires"] / 1000))
    under = "" if name is None else f" --node-id {printable(name)}"
    click.echo(f"On the new machine: clawmatrix join{under}    (it asks for this token)", err=True)
    click.echo(made["token"])
    click.echo(
        f"Whoever has it first joins, once, until {until}: send it on a way you trust.\n"
        f"The new node will dial {where} (another: --address URL).\n"
        f"{_doubt(made['addresses'])}"
        f"To take it back: clawmatrix invite revoke {made['id']}",
        err=True,
    )


@invite.command("list", epilog="Example: clawmatrix invite list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def list_invitations(settings: Settings, as_json: bool) -> None:
    """List the invitations that this node made in the last days, and what became of each."""
    found = call(settings.config_file(), "invite.list")
    if as_json:
        echo_json(found)
        return
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("this node has made no invitation lately")


@invite.command("revoke", epilog="Example: clawmatrix invite revoke 3f9a0c41d7e2")
@click.argument("id_", metavar="ID")
@pass_settings
def revoke_invitation(settings: Settings, id_: str) -> None:
    """Take an invitation back that nobody has used yet."""
    call(settings.config_file(), "invite.revoke", {"id": id_})
    click.echo(f"invitation {printable(id_)} is no longer good")


def _doubt(addresses: list[str]) -> str:
    """Return what may keep another machine from dialling these, empty where nothing does."""
    if all(map(_is_here, addresses)):
        return _ONLY_HERE
    hosts = [urlsplit(address).hostname or "" for address in addresses]
    if all("." not in host and ":" not in host for host in hosts):
        return f"Other machines may not know the name {printable(hosts[0])}.\n"
    return ""


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _line(one: dict[str, Any]) -> str:
    if one["status"] == "used":
        return printable(f"{one['id']}  used by {one['usedBy']} {_at(one['usedAt'])}")
    whom = f" for {printable(one['name'])}" if one["name"] else ""
    if one["status"] == "expired":
        return f"{one['id']}{whom}  expired {_at(one['expires'])}"
    return f"{one['id']}{whom}  open until {_at(one['expires'])}"


def _at(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000))
