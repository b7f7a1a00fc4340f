"""``clawmatrix plugins``: the plugins that are installed, in use or failed, and every hook."""

from __future__ import annotations

import shlex
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.collisions import add_to_entries
from clawmatrix_core.cli.context import (
    ExitCode,
    Settings,
    echo_json,
    load_plugins,
    pass_settings,
    printable,
)
from clawmatrix_core.cli.control_client import ControlError, NotRunning, call
from clawmatrix_core.cli.doctor import render_findings
from clawmatrix_core.doctor.running import finding_json

if TYPE_CHECKING:
    from clawmatrix_core.config.config import Config

__all__ = ["plugins", "render_hooks", "render_plugins"]


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
        lines += [f"{'':{width}}  warning: {words}" for words in entry.get("warnings", ())]
        if entry.get("faults"):
            lines.append(f"{'':{width}}  faults: {entry['faults']}, last {entry.get('lastFault')}")
    return "\n".join(printable(line) for line in lines)


@click.group(epilog="Example: clawmatrix plugins list")
def plugins() -> None:
    """See which plugins there are."""


@plugins.command("list", epilog="Example: clawmatrix plugins list")
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


@plugins.command("hooks", epilog="Example: clawmatrix plugins hooks")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def list_hooks(settings: Settings, as_json: bool) -> None:
    """List every hook, who owns it, and who implements it, in calling order.

    Where the node runs, its own list is shown.
    """
    hooks = _of_the_node(settings, "hooks")
    if hooks is None:
        hooks = list(load_plugins(_config(settings)).hook_list())
    if as_json:
        echo_json({"hooks": hooks})
    else:
        click.echo(render_hooks(hooks))


@plugins.command(epilog="Example: clawmatrix plugins check ./clawmatrix-dice")
@click.argument("what", metavar="PATH")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(what: str, as_json: bool) -> int:
    """Check plugins that are being written, before anybody installs them.

    PATH is a folder with a pyproject.toml, an installed distribution, or a plugin as
    module:Class. Nothing is installed, and no node is started. Exit code 12 where there is a
    problem.
    """
    from clawmatrix_core.cli.shell import OWN_COMMANDS
    from clawmatrix_core.kit.checking import check_plugins
    from clawmatrix_core.kit.target import find_target

    try:
        target = find_target(what)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    findings = check_plugins(target, [*OWN_COMMANDS])
    if as_json:
        echo_json({"checks": [finding_json(finding) for finding in findings]})
    else:
        click.echo(render_findings(findings))
    return ExitCode.PROBLEMS if any(one.status == "problem" for one in findings) else ExitCode.OK


@plugins.command(epilog="Example: clawmatrix plugins new dice")
@click.argument("name")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to write it; else ./clawmatrix-NAME.",
)
@click.option(
    "--transport", is_flag=True, help="Write a transport, for addresses like NAME://host:port."
)
def new(name: str, path: Path | None, transport: bool) -> None:
    """Write the distribution of a new plugin, which works and has tests.

    It has a table of the configuration, a command, an HTTP route, a status section, and frames
    between nodes: keep what you need. With --transport it links nodes over TCP, and its tests
    are those of every transport. A folder that exists is left alone.
    """
    from clawmatrix_core.cli.shell import OWN_COMMANDS
    from clawmatrix_core.kit.beginning import begin_plugin, distribution_of

    folder = path or Path(distribution_of(name))
    try:
        begin_plugin(name, folder, [*OWN_COMMANDS], transport=transport)
    except (ValueError, FileExistsError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"wrote {folder}")
    click.echo(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[tests]' && pytest")


def render_hooks(hooks: list[dict[str, Any]]) -> str:
    """Return the hooks as text: the owners' names, each above a line for every hook."""
    width = max((len(hook["name"]) for hook in hooks), default=0)
    lines = []
    for owner, group in groupby(hooks, lambda hook: hook["owner"]):
        own = list(group)
        unused = "" if own[0]["called"] else " (not in use here: nobody calls its hooks)"
        lines.append(f"{owner}{unused}")
        for hook in own:
            colour = "async" if hook["async"] else "def"
            who = ", ".join(hook["plugins"]) or "-"
            lines.append(f"  {hook['name']:{width}}  {hook['kind']:7}  {colour:5}  {who}")
    return "\n".join(printable(line) for line in lines)


def _entries(settings: Settings) -> list[dict[str, Any]]:
    found = _of_the_node(settings, "plugins")
    config = _config(settings)
    if found is None:
        found = [info.to_json() for info in load_plugins(config).list()]
    add_to_entries(config, found)
    return found


def _of_the_node(settings: Settings, what: str) -> list[dict[str, Any]] | None:
    """Return a list that the running node gives, None where no node answers."""
    try:
        answer = call(settings.config_file(), what, timeout=5.0)
    except (ConfigError, NotRunning, ControlError):
        return None
    found: list[dict[str, Any]] = answer[what]
    return found


def _config(settings: Settings) -> Config | None:
    try:
        return settings.load_config()
    except ConfigError:
        if settings.file is not None:
            raise
        return None
