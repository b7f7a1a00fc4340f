"""``clawmatrix plugins``: what is installed, what is in use, and what failed."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.context import Settings, echo_json, load_plugins, pass_settings, printable
from clawmatrix_core.cli.control_client import ControlError, NotRunning, call

__all__ = ["plugins", "render_plugins"]


def render_plugins(entries: list[dict[str, Any]]) -> str:
    """Return the plugins as text: one paragraph each."""
    width = max((len(entry["name"]) for entry in entries), default=0)
    lines = []
    for entry in entries:
        origin = " ".join(filter(None, (entry["distribution"], entry["version"])))
        why = f": {entry['reason']}" if entry["reason"] else ""
        lines.append(f"{entry['name']:{width}}  {entry['state']}{why}")
        lines.append(f"{'':{width}}  {origin or 'passed in by the host'}")
        if entry["hooks"]:
            lines.append(f"{'':{width}}  hooks: {', '.join(entry['hooks'])}")
        if entry.get("waitsFor"):
            lines.append(f"{'':{width}}  waits for: {', '.join(entry['waitsFor'])}")
        lines += [f"{'':{width}}  collision: {words}" for words in entry.get("collisions", ())]
        if entry.get("faults"):
            lines.append(f"{'':{width}}  faults: {entry['faults']}, last {entry.get('lastFault')}")
    return "\n".join(printable(line) for line in lines)


@click.group()
def plugins() -> None:
    """See which plugins there are."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def list_plugins(settings: Settings, as_json: bool) -> None:
    """List every plugin that is installed, and whether it works.

    Where the node runs, its own list is shown, with the faults so far.
    """
    entries = _entries(settings)
    if as_json:
        echo_json({"plugins": entries})
    else:
        click.echo(render_plugins(entries))


def _entries(settings: Settings) -> list[dict[str, Any]]:
    try:
        answer = call(settings.config_file(), "plugins", timeout=5.0)
    except (ConfigError, NotRunning, ControlError):
        return _installed(settings)
    found: list[dict[str, Any]] = answer["plugins"]
    return found


def _installed(settings: Settings) -> list[dict[str, Any]]:
    try:
        config = settings.load_config()
    except ConfigError:
        if settings.file is not None:
            raise
        config = None
    return [info.to_json() for info in load_plugins(config).list()]
