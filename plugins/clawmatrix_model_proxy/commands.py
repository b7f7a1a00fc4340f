"""``clawmatrix models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clawmatrix_core.cli import Settings, echo_json, pass_settings, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["models"]


@click.command(epilog="Example: clawmatrix models")
@click.option("-v", "--verbose", is_flag=True, help="Show what upstreams lack, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@pass_settings
def models(settings: Settings, verbose: bool, as_json: bool) -> None:
    """Show which models there are, and who serves them.

    Nodes stand in the order in which they are asked; those that cannot be reached now are
    marked, and those whose names are known by hearsay alone.
    """
    from clawmatrix_core.cli import call

    found = call(settings.config_file(), "models")
    if as_json:
        echo_json(found)
        return
    if not found["models"]:
        click.echo("No node serves a model.")
    width = max((len(printable(model["id"])) for model in found["models"]), default=0)
    for model in found["models"]:
        nodes = ", ".join(_node(node) for node in model["nodes"])
        words = printable(model["description"] or "")
        line = f"{printable(model['id']):{width}}  {nodes}"
        click.echo(f"{line}  {click.style(words, dim=True)}" if words else line)
        for lack in _lacks(model) if verbose else ():
            click.echo(f"{'':{width}}  {lack}")


def _lacks(model: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each thing that an upstream of a model lacks."""
    for node in model["nodes"]:
        for number, upstream in enumerate(node["upstreams"]):
            for lack in upstream["lacks"]:
                who = f"{node['nodeId']}, upstream {number}"
                minutes = max(1, round(lack["forMs"] / 60_000))
                told = f"{who}: lacks {lack['what']} ({lack['why']}), for {minutes} min more"
                yield click.style(printable(told), fg="yellow")


def _node(node: dict[str, Any]) -> str:
    name = printable(node["nodeId"])
    if node.get("known") == "hearsay":
        name += " (known by hearsay)"
    if not node["reachable"]:
        return click.style(f"{name} (unreachable)", fg="red")
    return ", ".join(_upstream(name, upstream) for upstream in node["upstreams"])


def _upstream(name: str, upstream: dict[str, Any]) -> str:
    """Return a node's name once for each upstream, with what is to be known of it."""
    if upstream["breaker"] != "closed":
        why = printable(upstream["why"] or "failing")
        return click.style(f"{name} ({upstream['breaker']}: {why})", fg="red")
    told = []
    if upstream["firstTokenMs"] is not None:
        told.append(f"{upstream['firstTokenMs']:g} ms")
    if upstream["calls"]:
        told.append(f"{upstream['calls']} calls, {upstream['errors']} errors")
    colour = "yellow" if upstream["why"] else "green"
    return click.style(name, fg=colour) + (f" ({'; '.join(told)})" if told else "")
