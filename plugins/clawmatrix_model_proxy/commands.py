"""``clawmatrix models``."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core.cli_context import Settings, echo_json, pass_settings, printable

__all__ = ["models"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@pass_settings
def models(settings: Settings, as_json: bool) -> None:
    """Show which models there are, and who serves them.

    Nodes stand in the order in which they are asked; those that cannot be reached now are
    marked.
    """
    from clawmatrix_core.control_client import call

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


def _node(node: dict[str, Any]) -> str:
    name = printable(node["nodeId"])
    if node["reachable"]:
        return click.style(name, fg="green")
    return click.style(f"{name} (unreachable)", fg="red")
