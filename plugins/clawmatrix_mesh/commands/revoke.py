"""``clawmatrix revoke``: put a node out of the mesh, or let it in again."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core.cli import Settings, call, echo_json, pass_settings, printable
from clawmatrix_mesh.times import utc_words

__all__ = ["revoke", "revoked_line"]

_STILL = """\
It still knows the secret of the mesh: under a new name and key it can come back. What keeps it out
for good is a new secret on all other nodes (clawmatrix secret new)."""


@click.command(epilog="Example: clawmatrix revoke office")
@click.argument("node")
@click.option("--reason", default="", metavar="TEXT", help="Why, for people on other nodes.")
@click.option("--undo", is_flag=True, help="Let it in again, with its old key, everywhere.")
@click.option("--local", is_flag=True, help="With --undo: at this node only.")
@click.option("--own", is_flag=True, help="Let NODE be this node: its own key is out for good.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def revoke(
    settings: Settings, node: str, reason: str, undo: bool, local: bool, own: bool, as_json: bool
) -> None:
    """Put a node's key out of the mesh.

    It is out at once at this node, and at nodes that name this one in [mesh.revokers]. At all
    others it waits for `clawmatrix revocations accept`.
    """
    if local and not undo:
        raise click.UsageError("--local goes with --undo")
    if own and undo:
        raise click.UsageError("--own does not go with --undo")
    if undo:
        answer = call(settings.config_file(), "revoke.undo", {"node": node, "local": local})
    else:
        answer = call(
            settings.config_file(), "revoke.add", {"node": node, "reason": reason, "own": own}
        )
    if as_json:
        echo_json(answer)
    elif undo:
        where = "at this node" if local else "again: the mesh is being told"
        click.echo("\n".join([f"{printable(node)} may come in {where}", *_obedience(node, answer)]))
    else:
        first = f"{printable(node)} ({answer['fingerprint']}) is revoked: the mesh is being told."
        click.echo("\n".join([first, *_obedience(node, answer), _STILL]))


def _obedience(node: str, answer: dict[str, Any]) -> list[str]:
    """Return which nodes take this node's word."""
    names = {what: ", ".join(answer.get(what, ())) for what in ("obey", "ask", "unknown")}
    lines = []
    if names["obey"]:
        lines.append(f"In force at once at: {names['obey']}")
    if names["ask"]:
        accept = f"clawmatrix revocations accept {node}"
        lines.append(f"Waits for a person at: {names['ask']} (there: {accept})")
    if names["unknown"]:
        lines.append(f"Of an older version, which does not say: {names['unknown']}")
    return [printable(line) for line in lines]


def revoked_line(entry: dict[str, Any]) -> str:
    """Return what ``trust list`` says of a revocation."""
    done = "revoked" if entry["revoked"] else "no longer revoked"
    who = "undone at this node, else " if entry["undoneHere"] else ""
    why = f": {entry['reason']}" if entry["reason"] else ""
    text = f"{entry['nodeId']}  {entry['fingerprint']}  {who}{done} by {entry['by']}"
    return printable(f"{text} {utc_words(entry['at'])}{why}")
