"""``clawmatrix tools`` and ``clawmatrix call``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from clawmatrix_core.cli import (
    CommandError,
    ControlError,
    Progress,
    Settings,
    call,
    echo_json,
    pass_settings,
    printable,
    stream,
)
from clawmatrix_tool_proxy.ending import exit_of_error
from clawmatrix_tool_proxy.pinning.commands import accept, pins, unpin
from clawmatrix_tool_proxy.showing import ShownCall

if TYPE_CHECKING:
    from typing import IO

    from clawmatrix_core import JSON

__all__ = ["call_command", "entry_lines", "tools"]

_SILENCE: Final = 24 * 3600.0
"""Seconds without a word after which a call is given up here: the tool's deadline comes first."""


@click.group(epilog="Example: clawmatrix tools list --node office")
def tools() -> None:
    """Show the tools that nodes have for this one, and accept those that changed."""


for _command in (accept, pins, unpin):
    tools.add_command(_command)


@tools.command("list", epilog="Example: clawmatrix tools list --node office")
@click.option("--node", metavar="NODE", help="Ask another node for the tools that it has for us.")
@click.option("--anyone", is_flag=True, help="Also ask a node whose name is not proven.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def list_command(settings: Settings, node: str | None, anyone: bool, as_json: bool) -> None:
    """List the tools of this node for its own clients, or those of another node for this one."""
    params = {"node": node, "anyone": anyone}
    try:
        found = call(settings.config_file(), "tools.list", params)
    except ControlError as error:
        raise _command_error(error) from None
    if as_json:
        echo_json(found)
        return
    if not found["tools"]:
        whose = (
            "this node has no tool for its own clients"
            if node is None
            else (f"{node} lets this node call no tool")
        )
        click.echo(whose, err=True)
    for entry in found["tools"]:
        for line in entry_lines(entry):
            click.echo(printable(line))


def entry_lines(entry: JSON) -> list[str]:
    """Return the tool with its arguments, and the first line of what it does.

    The entry is one that another node may have sent: its schema may be none.
    """
    parameters = entry.get("parameters", {})
    names, required = parameters.get("properties"), parameters.get("required")
    names = names if isinstance(names, dict) else {}
    required = required if isinstance(required, list) else []
    told = " ".join(name if name in required else f"[{name}]" for name in names)
    first = (entry.get("description") or "").strip().partition("\n")[0]
    return [f"{entry['name']} {told}".rstrip(), *([f"    {first}"] if first else [])]


@click.command("call", epilog="Example: clawmatrix call office read --arg path=docs/plan.md")
@click.argument("node")
@click.argument("tool")
@click.option("--arg", "args", multiple=True, metavar="K=V", help="An argument; V may be JSON.")
@click.option(
    "--args-file", type=click.File(encoding="utf-8"), help="All arguments, as JSON; - reads stdin."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.001),
    help="Seconds that the wait for an approval and the tool may take.",
)
@click.option("--anyone", is_flag=True, help="Also call a node whose name is not proven.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the output.")
@pass_settings
def call_command(
    settings: Settings,
    node: str,
    tool: str,
    args: tuple[str, ...],
    args_file: IO[str] | None,
    timeout: float | None,
    anyone: bool,
    as_json: bool,
) -> int:
    """Call TOOL of NODE; Ctrl-C cancels it there.

    Output comes as the tool writes it. The result goes to standard error where there was output,
    and to standard output where there was none. The exit code is the exit status of a
    command that the tool ran; docs/tools.md lists those of errors.
    """
    params = {
        "node": node,
        "tool": tool,
        "arguments": _arguments(args, args_file),
        "timeout": timeout,
        "anyone": anyone,
    }
    items = stream(settings.config_file(), "tools.call", params, timeout=_SILENCE)
    with Progress() as progress:
        shown = ShownCall(progress, as_json=as_json)
        try:
            for item in items:
                shown.take(item)
        except ControlError as error:
            shown.fail(error)
            raise _command_error(error, in_doubt=not shown.has_output) from None
    return shown.status


def _arguments(args: tuple[str, ...], file: IO[str] | None) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    if file is not None:
        try:
            found = json.loads(file.read())
        except ValueError as error:
            raise click.BadParameter(f"no JSON: {error}", param_hint="--args-file") from None
        if not isinstance(found, dict):
            raise click.BadParameter("expected a JSON object", param_hint="--args-file")
    for arg in args:
        name, equals, value = arg.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{arg!r} is not NAME=VALUE", param_hint="--arg")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _command_error(error: ControlError, *, in_doubt: bool = False) -> CommandError:
    """Return the error of a command; where nothing told, it says that the tool may have run."""
    words, detail = str(error), error.detail
    if in_doubt and isinstance(detail, dict) and detail.get("inDoubt"):
        words += " (the tool may have run)"
    return CommandError(f"{error.code}: {words}", exit_code=exit_of_error(error.code, detail))
