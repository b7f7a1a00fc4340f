"""``clawmatrix fingerprint``: keys as people read them to each other."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core import NamedKeys, StateError, StateFolder
from clawmatrix_core.cli import NotRunning, Settings, call, echo_json, pass_settings
from clawmatrix_core.spi import load_identity

__all__ = ["fingerprint"]


@click.command(epilog="Example: clawmatrix fingerprint office")
@click.argument("node", required=False)
@click.option("--key", is_flag=True, help="Print the keys as lines for [mesh.revokers].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def fingerprint(settings: Settings, node: str | None, key: bool, as_json: bool) -> None:
    """Show this node's key, and another node's, as digits to read out.

    With a NODE: read both lines to whoever sits there. Where they see the same two, nobody is
    between you. Without one, the node need not run.
    """
    try:
        answer = call(settings.config_file(), "trust.list")
    except NotRunning:
        if node is not None:
            raise
        answer = _from_state(settings)
    shown = [_entry(answer)]
    if node is not None and node != answer["nodeId"]:
        shown += [_entry(entry) for entry in answer["nodes"] if entry["nodeId"] == node]
        if len(shown) == 1:
            raise click.ClickException(f"no key is known of {node}")
    if as_json:
        echo_json(shown)
        return
    if key:
        click.echo("\n".join(NamedKeys.parse({e["nodeId"]: e["key"] for e in shown}).lines()))
        return
    width = max(len(entry["nodeId"]) for entry in shown)
    for entry in sorted(shown, key=lambda entry: str(entry["nodeId"])):
        click.echo(f"{entry['nodeId']:{width}}  {entry['digits']}")


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("nodeId", "fingerprint", "digits", "key")}


def _from_state(settings: Settings) -> dict[str, Any]:
    place = settings.locate()
    with StateFolder(place.state_dir) as state:
        if state.read("identity") is None:
            raise StateError("the node has no key yet: it makes one when it first starts")
        own = load_identity(state)
    return {
        "nodeId": place.node_id,
        "fingerprint": own.fingerprint,
        "digits": own.digits,
        "key": own.key_text,
    }
