"""``clawmatrix approvals``: people of this node look at the calls that wait, and decide."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from clawmatrix_core import Duration
from clawmatrix_core.cli import (
    CommandError,
    Settings,
    call,
    echo_json,
    pass_settings,
    stream,
)
from clawmatrix_grants.approvals.methods import ALIVE
from clawmatrix_grants.approvals.ruling import allow_by_rule
from clawmatrix_grants.approvals.words import end, line, read_approval, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

__all__ = ["approvals"]


class _Seconds(click.ParamType[float]):
    """A duration such as ``30m``, ``1h`` or ``7d``, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: object, ctx: object) -> float:
        try:
            return value if isinstance(value, float) else float(Duration.parse(value))
        except TypeError:
            raise click.BadParameter(f"{value!r} is no duration such as 30m or 1h") from None
        except ValueError as error:
            raise click.BadParameter(str(error)) from None


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: clawmatrix approvals list")
def approvals() -> None:
    """Show the calls that wait for a person of this node, and allow or deny them."""


@approvals.command("list", epilog="Example: clawmatrix approvals list")
@as_json
@pass_settings
def list_command(settings: Settings, as_json: bool) -> None:
    """List the calls that wait, and what was decided, the oldest first."""
    found = call(settings.config_file(), "approvals.list")["approvals"]
    if as_json:
        echo_json({"approvals": [read_approval(told) for told in found]})
    elif not found:
        click.echo("no call waits for an approval")
    else:
        for told in found:
            click.echo(line(read_approval(told), time.time()))


@approvals.command(epilog="Example: clawmatrix approvals show 3f9a0c41d7e2")
@click.argument("id_", metavar="ID")
@as_json
@pass_settings
def show(settings: Settings, id_: str, as_json: bool) -> None:
    """Show one call, with all of its arguments."""
    told = call(settings.config_file(), "approvals.show", {"id": id_})
    if as_json:
        echo_json(read_approval(told))
    else:
        _echo_whole(told)


@approvals.command(epilog="Example: clawmatrix approvals watch")
@as_json
@pass_settings
def watch(settings: Settings, as_json: bool) -> None:
    """Show calls as they come to wait, and what becomes of them, until Ctrl-C."""
    for item in stream(settings.config_file(), "approvals.watch", timeout=3 * ALIVE):
        if (told := item.get("approval")) is None:
            continue
        if as_json:
            echo_json(read_approval(told), compact=True)
        elif told["state"] == "pending":
            _echo_whole(told)
        else:
            click.echo(f"{told['id']}: {told['state']}")


@approvals.command(epilog="Example: clawmatrix approvals allow 3f9a0c41d7e2 --for 1h")
@click.argument("id_", metavar="ID")
@click.option("--for", "seconds", type=_Seconds(), metavar="TIME", help="Any number of times: 1h.")
@click.option("--as-rule", is_flag=True, help="Change the rule: ask nobody about such calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether that is meant.")
@pass_settings
def allow(
    settings: Settings, id_: str, seconds: float | None, as_rule: bool, yes: bool
) -> int | None:
    """Allow one call, exactly as `approvals show` has it.

    It may run once, or with --for any number of times within that time, 7 days at most. On a
    terminal it asks first.

    With --as-rule the rule that has people asked allows such calls from now on, in the
    configuration. That is more than this call: the rule's conditions are shown, and it asks.
    """
    config = settings.config_file()
    told = call(config, "approvals.show", {"id": id_})
    _echo_whole(told)
    if as_rule:
        if seconds is not None:
            raise click.UsageError("--for is for one call, and --as-rule for all that its rule has")
        return allow_by_rule(config, id_, yes=yes)
    if not yes and sys.stdin.isatty() and not click.confirm("Allow exactly this?"):
        raise CommandError("it was not allowed; it still waits")
    params: dict[str, JSON] = {"id": id_} if seconds is None else {"id": id_, "seconds": seconds}
    told = call(config, "approvals.allow", params)
    often = f"any number of times, until {end(told)}" if told["repeats"] else "once"
    click.echo(f"{id_}: allowed {often}")
    return None


@approvals.command(epilog="Example: clawmatrix approvals deny 3f9a0c41d7e2")
@click.argument("id_", metavar="ID")
@pass_settings
def deny(settings: Settings, id_: str) -> None:
    """Refuse one call, and take back what was allowed.

    The same call is refused until the refusal ends, after `[approvals] expires`.
    """
    call(settings.config_file(), "approvals.deny", {"id": id_})
    click.echo(f"{id_}: refused")


def _echo_whole(told: Mapping[str, JSON]) -> None:
    for text in whole(read_approval(told), time.time()):
        click.echo(text)
