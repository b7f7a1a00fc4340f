"""``clawmatrix grants show``: who may use what, and whether that counts now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from clawmatrix_core.cli import Settings, echo_json, pass_settings, printable
from clawmatrix_grants.commands.asking import Answers
from clawmatrix_grants.commands.names import asker
from clawmatrix_grants.report import NO_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RESTING", "show"]

RESTING = "note: the node does not run: introductions and revocations are not looked at"


@click.command(epilog="Example: clawmatrix grants show home")
@click.argument("peer", required=False, callback=asker)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def show(settings: Settings, peer: str | None, as_json: bool) -> None:
    """Show what each node may use, or PEER, and how its key is known.

    A grant that does not count at present says why.
    """
    answers = Answers(settings)
    told = answers.show(peer)
    if as_json:
        echo_json({"running": answers.running, **told})
        return
    if not answers.running:
        click.echo(RESTING)
    if not told["table"]:
        click.echo(NO_TABLE)
    for one in told["peers"]:
        click.echo("\n".join(printable(line) for line in _lines(one)))


def _lines(one: dict[str, Any]) -> Iterator[str]:
    known = f"  {one['fingerprint']}  {one['known']}" if one["key"] else ""
    yield one["peer"] + known
    if not one["grants"]:
        yield "  nothing is granted"
    for grant in one["grants"]:
        yield f"  {grant['table']}" + (
            "" if grant["counts"] else f": only denies count: {grant['why']}"
        )
        for rule in grant["rules"]:
            yield f"    {_rule(rule)}"


def _rule(rule: dict[str, Any]) -> str:
    words = f"{rule['effect']:5}  {rule['kind']}: {', '.join(rule['names'])}"
    if rule["when"]:
        conditions = (f"{name} = {_value(value)}" for name, value in rule["when"].items())
        words += f"  when {', '.join(conditions)}"
    if rule["until"]:
        words += f"  {'ended' if rule['ended'] else 'until'} {rule['until']}"
    return words


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
