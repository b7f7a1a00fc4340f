"""``clawmatrix grants check``: what a call would come to, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import click

from clawmatrix_core import Action
from clawmatrix_core.cli import Settings, echo_json, pass_settings, printable
from clawmatrix_grants.commands.asking import Answers
from clawmatrix_grants.commands.names import arguments_of, asker
from clawmatrix_grants.commands.showing import RESTING

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["EXIT_CODES", "check"]

EXIT_CODES: Final = {"allow": 0, "deny": 13, "ask": 14}
"""What the exit status says; every other status says that there is no answer."""


@click.command(epilog="Example: clawmatrix grants check home read --arg path=docs/plan.md")
@click.argument("peer", callback=asker)
@click.argument("target", metavar="TOOL")
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    callback=arguments_of,
    help="An argument; VALUE is JSON, or else text. May be given again.",
)
@click.option("--any", "any_call", is_flag=True, help="Ask whether any call could pass.")
@click.option(
    "--action",
    type=click.Choice(get_args(Action)),
    default="tool",
    show_default=True,
    help="What TOOL is the name of.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def check(
    settings: Settings,
    peer: str,
    target: str,
    arguments: dict[str, JSON],
    any_call: bool,
    action: Action,
    as_json: bool,
) -> int:
    """Say whether PEER may use TOOL, by which rule, and what became of every other rule.

    Asks the running node, as a call would; PEER counts as showing the key that it is known by.
    Exit code 0 for allow, 13 for deny, 14 where a person would be asked.
    """
    if any_call and arguments:
        raise click.UsageError("--any asks about all arguments: leave out --arg")
    answers = Answers(settings)
    told = answers.check(peer, action, target, None if any_call else arguments)
    if as_json:
        echo_json({"running": answers.running, **told})
    else:
        _tell(told, running=bool(answers.running))
    return EXIT_CODES[told["effect"]]


def _tell(told: dict[str, Any], *, running: bool) -> None:
    if not running:
        click.echo(RESTING)
    by = f" by {told['rule']}" if told["rule"] else ""
    if told.get("plugin", "grants") not in ("grants", ""):
        by += f" (plugin {told['plugin']})"
    click.echo(printable(f"{told['effect']}{by}: {told['reason']}"))
    for one in told["considered"]:
        verdict = "matches" if one["matched"] else "does not match"
        click.echo(printable(f"  {one['rule']} ({one['effect']}) {verdict}: {one['why']}"))
