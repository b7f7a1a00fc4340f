"""``clawmatrix trust``: a person looks at the keys of nodes, and decides about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from clawmatrix_core.cli import call, echo_json, printable
from clawmatrix_mesh.commands.revoke import revoked_line

__all__ = ["trust"]


def _call(method: str, **params: Any) -> Any:
    return call(click.get_current_context().obj.config_path, method, params)


@click.group(epilog="Example: clawmatrix trust list")
def trust() -> None:
    """Show and change which key each node is known by."""


@trust.command("list", epilog="Example: clawmatrix trust list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(as_json: bool) -> None:
    """List every node's key, how it is known, and keys that were refused."""
    answer = _call("trust.list")
    if as_json:
        echo_json(answer)
        return
    click.echo(f"this node  {answer['fingerprint']}")
    for entry in answer["nodes"]:
        click.echo(printable(f"{entry['nodeId']}  {entry['fingerprint']}  {entry['known']}"))
        for conflict in entry["conflicts"]:
            shown = conflict["fingerprint"]
            click.echo(
                f"  refused: {shown}  {_proof(conflict)}\n"
                f"  to let it in: clawmatrix trust accept {entry['nodeId']} {shown}"
            )
    for name in answer["hidden"]:
        click.echo(printable(f"{name}  is hidden until it is heard itself"))
    for entry in answer["revoked"]:
        click.echo(revoked_line(entry))


@trust.command("show", epilog="Example: clawmatrix trust show office")
@click.argument("node")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_key(node: str, as_json: bool) -> None:
    """Show one node's key."""
    found = [entry for entry in _call("trust.list")["nodes"] if entry["nodeId"] == node]
    if not found:
        raise click.ClickException(f"no key is known of {node}")
    if as_json:
        echo_json(found[0])
        return
    for line in _whole(found[0]):
        click.echo(printable(line))


def _whole(entry: dict[str, Any]) -> list[str]:
    """Return the lines that show all of a key."""
    node, shown = entry["nodeId"], entry["fingerprint"]
    plain = {name: value for name, value in entry.items() if name not in ("conflicts", "firstSeen")}
    lines = [f"{name}: {value}" for name, value in plain.items()]
    lines.append(f"first seen: {_time(entry['firstSeen'])}")
    if entry["known"] in ("linked", "hearsay"):
        lines += [
            f"that proves no name: compare the digits with those that `clawmatrix fingerprint`"
            f" prints on {node} itself, and then: clawmatrix trust accept {node} {shown}"
        ]
    for conflict in entry["conflicts"]:
        other = conflict["fingerprint"]
        lines += [
            f"refused: {other}  {_proof(conflict)}, last {_time(conflict['lastSeen'])}",
            f"  to let it in: clawmatrix trust accept {node} {other}",
        ]
    return lines


def _proof(conflict: dict[str, Any]) -> str:
    proven = "proved by a handshake" if conflict["proven"] else "heard from others"
    return f"{proven}, {conflict['count']} times"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@trust.command(epilog="Example: clawmatrix trust accept office 3f9ka0bq7w2xz5tn8m4c")
@click.argument("node")
@click.argument("fingerprint", nargs=-1, required=True)
def accept(node: str, fingerprint: tuple[str, ...]) -> None:
    """Say that a key is a node's: the one that it is known by, or one that was refused.

    FINGERPRINT is the key's, 20 letters of it at least, or all digits that `clawmatrix
    fingerprint` prints on that machine. A node that was installed again is let in under its new
    key.
    """
    answer = _call("trust.accept", node=node, fingerprint=" ".join(fingerprint))
    click.echo(printable(f"{answer['nodeId']} is now known by {answer['fingerprint']}, accepted"))


@trust.command(epilog="Example: clawmatrix trust forget office")
@click.argument("node")
@click.option("--hide", is_flag=True, help="List the node no more, until it is heard itself.")
def forget(node: str, hide: bool) -> None:
    """Forget a node's key; the next one that it proves is taken.

    Other nodes know a node that is retired for a week. With --hide it is not listed here; a link
    or a session with it lists it again.
    """
    answer = _call("trust.forget", node=node, hide=hide)
    hidden = ", and it is listed no more until it is heard itself" if hide else ""
    click.echo(printable(f"the key of {answer['nodeId']} is forgotten{hidden}"))
