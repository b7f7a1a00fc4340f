"""The commands of the ``control`` plugin: what they ask of the node, and print."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from clawmatrix_control.render import (
    Style,
    ping_text,
    reload_lines,
    render_peers,
    render_status,
    use_colour,
)
from clawmatrix_core import ConfigError
from clawmatrix_core.cli import (
    ControlError,
    ExitCode,
    NotRunning,
    Settings,
    call,
    echo_json,
    pass_settings,
    printable,
    stream,
)

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["COMMANDS"]

_PATIENCE = 10.0
"""Seconds in which a node has to tell its status: it makes sure of ways for 4 s."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Seconds(click.FloatRange):
    """A number of seconds in a range. ``nan`` is in each range, as far as click compares."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return seconds


def _style() -> Style:
    return Style(use_colour(is_terminal=sys.stdout.isatty(), environ=os.environ))


def _show(text: str) -> None:
    click.echo(text, color=True)  # whether there is colour in it is decided already


@click.command(epilog="Example: clawmatrix status --watch")
@as_json_option
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=_Seconds(0.1, 86_400),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often, with --watch.",
)
@pass_settings
def status(settings: Settings, as_json: bool, watch: bool, interval: float) -> None:
    """Show this node, and which others it reaches, and how.

    With --watch and --json, one line of JSON each time.
    """
    if watch:
        _watch(settings, as_json=as_json, interval=interval)
    answer = call(settings.config_file(), "status", _params(as_json), timeout=_PATIENCE)
    if as_json:
        echo_json(answer)
    else:
        _show(render_status(answer, style=_style(), now=time.time()))


def _params(as_json: bool) -> dict[str, JSON]:
    """Return what to ask for: the node adds what only people are shown, where it is asked."""
    return {} if as_json else {"text": True}


def _watch(settings: Settings, *, as_json: bool, interval: float) -> NoReturn:
    redraw = sys.stdout.isatty() and not as_json
    while True:
        try:
            answer = call(settings.config_file(), "status", _params(as_json), timeout=_PATIENCE)
        except (NotRunning, ControlError) as error:
            if as_json:
                raise
            text = str(error)  # it may come back
        else:
            text = "" if as_json else render_status(answer, style=_style(), now=time.time())
            if as_json:
                echo_json(answer, compact=True)
        if not as_json:
            click.echo(_redrawn(text) if redraw else f"{text}\n", nl=not redraw, color=True)
        sys.stdout.flush()
        time.sleep(interval)  # between two looks at the node, as `--watch` says


def _redrawn(text: str) -> str:
    """Return the text with what puts it over an earlier one, without a flicker."""
    lines = "".join(f"{line}\x1b[K\n" for line in text.split("\n"))
    return f"\x1b[H{lines}\x1b[J"


@click.command(epilog="Example: clawmatrix peers")
@as_json_option
@pass_settings
def peers(settings: Settings, as_json: bool) -> None:
    """Show the other nodes, and how each is reached."""
    answer = call(settings.config_file(), "peers", _params(as_json), timeout=_PATIENCE)
    if as_json:
        echo_json(answer)
    elif answer:
        _show(render_peers(answer, style=_style(), now=time.time()))
    else:
        click.echo("no other node known yet")


@click.command(epilog="Example: clawmatrix ping office")
@click.argument("node")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=4,
    show_default=True,
    help="How many pings.",
)
@click.option(
    "--timeout",
    type=_Seconds(0.001, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an answer.",
)
@click.option(
    "--interval",
    type=_Seconds(0, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From the start of one to the start of the next.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each.")
@pass_settings
def ping(
    settings: Settings, node: str, count: int, timeout: float, interval: float, as_json: bool
) -> int:
    """Ping a node through the mesh, and show the way and the time it took.

    Exit code 0 if there was an answer, 6 if there was none.
    """
    params = {"node": node, "count": count, "timeout": timeout, "interval": interval}
    answered = False
    silence = timeout + interval + 30.0
    try:
        for item in stream(settings.config_file(), "ping", params, timeout=silence):
            answered = answered or item["ok"]
            if as_json:
                echo_json(item, compact=True)
            else:
                click.echo(ping_text(item))
    except ControlError as error:
        if error.code != "unknown_node":
            raise
        click.echo(f"clawmatrix: {error}", err=True)
    return ExitCode.OK if answered else ExitCode.UNREACHABLE


@click.command(epilog="Example: clawmatrix reload")
@as_json_option
@pass_settings
def reload(settings: Settings, as_json: bool) -> int:
    """Have the running node read its configuration file again.

    Says which changes are in force, and which need a restart. Exit code 2 where the file has
    mistakes: nothing is changed then.
    """
    try:
        answer = call(settings.config_file(), "reload", timeout=120.0)
    except ControlError as error:
        if error.code != "bad_config" or not isinstance(error.detail, dict):
            raise
        problems = error.detail.get("problems", [str(error)])
        told = "the node refuses the file, and the tables that were in force before stay in force"
        raise ConfigError([*problems, told]) from None
    if as_json:
        echo_json(answer)
    else:
        click.echo("\n".join(printable(line) for line in reload_lines(answer)))
    return ExitCode.FAILURE if answer["faults"] else ExitCode.OK


COMMANDS: tuple[click.Command, ...] = (status, peers, ping, reload)
