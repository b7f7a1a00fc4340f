"""``clawmatrix revocations``: a person decides about those that are not in force by themselves."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core.cli import Settings, call, echo_json, pass_settings, printable
from clawmatrix_mesh.members.revocation_methods import waiting_words
from clawmatrix_mesh.times import utc_words

__all__ = ["revocations"]


@click.group(epilog="Example: clawmatrix revocations list")
def revocations() -> None:
    """List revocations by nodes that are not in [mesh.revokers], and decide about them."""


@revocations.command("list", epilog="Example: clawmatrix revocations list")
@click.option("--all", "everything", is_flag=True, help="Also those that are decided.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def list_revocations(settings: Settings, everything: bool, as_json: bool) -> None:
    """List the revocations that wait."""
    found = call(settings.config_file(), "revocations.list", {"all": everything})
    if as_json:
        echo_json(found)
        return
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("no revocation is known" if everything else "no revocation waits")
    if any(one["verdict"] == "waits" for one in found):
        click.echo(
            "\nclawmatrix revocations accept NODE puts it in force at this node,"
            " reject NODE drops it."
        )


@revocations.command(epilog="Example: clawmatrix revocations accept office")
@click.argument("which", metavar="NODE|ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def accept(settings: Settings, which: str, as_json: bool) -> None:
    """Put a revocation in force at this node."""
    one = call(settings.config_file(), "revocations.accept", {"which": which})
    done = "out" if one["revoked"] else "let in again"
    _say(one, f"{one['nodeId']} ({one['fingerprint']}) is {done} at this node", as_json)


@revocations.command(epilog="Example: clawmatrix revocations reject office")
@click.argument("which", metavar="NODE|ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def reject(settings: Settings, which: str, as_json: bool) -> None:
    """Have a revocation never be in force at this node."""
    one = call(settings.config_file(), "revocations.reject", {"which": which})
    _say(one, f"what {one['by']} said of {one['nodeId']} is not in force at this node", as_json)


def _say(one: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        echo_json(one)
    else:
        click.echo(printable(text))


def _line(one: dict[str, Any]) -> str:
    verdict = "" if one["verdict"] == "waits" else f"  {one['verdict']}"
    text = (
        f"{one['id']}  {waiting_words(one)} {utc_words(one['at'])}  {one['fingerprint']}{verdict}"
    )
    return printable(text)
