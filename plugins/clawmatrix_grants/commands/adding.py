"""``clawmatrix grants add``: lets a node use more, once a person has compared its key."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clawmatrix_core import LOCAL, Config, ConfigError, is_node_id, key_text, read_key_text
from clawmatrix_core.cli import (
    CommandError,
    ControlError,
    ExitCode,
    NotRunning,
    Settings,
    call,
    pass_settings,
    printable,
    problems_of,
    rewrite_config,
)
from clawmatrix_grants.commands.asking import Answers
from clawmatrix_grants.commands.comparing import Comparison, ask_yes
from clawmatrix_grants.commands.editing import Addition, with_grant
from clawmatrix_grants.commands.names import listed
from clawmatrix_grants.config import EVERYONE
from clawmatrix_grants.names import TESTS_TABLE
from clawmatrix_grants.policy import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["add", "refusals", "reload_node"]

F = TypeVar("F", bound="Callable[..., object]")


def _key(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return key_text(read_key_text(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _names(kind: str) -> Callable[[F], F]:
    return click.option(
        f"--{kind}", multiple=True, metavar="NAME,...", callback=listed, help=f"Names of {kind}."
    )


@click.command(epilog="Example: clawmatrix grants add home --tools read,list")
@click.argument("peer")
@_names("tools")
@_names("agents")
@_names("models")
@_names("workspaces")
@_names("resources")
@click.option("--key", callback=_key, help="The key that `clawmatrix fingerprint --key` prints.")
@click.option("--yes", is_flag=True, help="Do not ask where a yes is enough.")
@pass_settings
def add(settings: Settings, /, peer: str, key: str | None, yes: bool, **lists: list[str]) -> int:
    """Let PEER use more of this node: write it into the configuration, and reload it.

    Names may be patterns, such as `read*`. PEER is a node, a group "@NAME" that the file has,
    "@local" for this node's own clients, or "*" for all members. The key of a node goes into the
    file with it, and a person has to say that it is that node's: by a yes where it was accepted or
    invited, else by the digits that are read on that machine, or by --key.
    """
    table = _table(settings.config_file(), peer)
    if is_node_id(peer):
        key = _compared(settings, peer, key, table, yes=yes)
    else:
        _look_at_name(peer, key, table)
    addition = Addition(peer, key, {kind: names for kind, names in lists.items() if names})
    if not is_node_id(peer) and not yes:
        ask_yes(f"Grant this to {peer}?")
    return _write(settings, addition, table or {})


def _table(path: Path, peer: str) -> Mapping[str, Any] | None:
    """Return the table that a peer has in the file, None where it has none."""
    Config.load(path)  # raises for what is not TOML
    grants = tomllib.loads(path.read_text()).get(TABLE, {})
    table = grants.get(peer) if isinstance(grants, dict) else None
    return table if isinstance(table, dict) else None


def _look_at_name(peer: str, key: str | None, table: Mapping[str, Any] | None) -> None:
    if key is not None:
        raise click.UsageError("--key is for the key of one node")
    if peer not in (LOCAL, EVERYONE) and table is None:
        told = f'a node, "{LOCAL}", "{EVERYONE}", or a group of the file'
        raise CommandError(f'[{TABLE}."{peer}"] is not there: expected {told}')


def _compared(
    settings: Settings, peer: str, given: str | None, table: Mapping[str, Any] | None, *, yes: bool
) -> str:
    """Return the key of a node, which a person has compared. Raises: CommandError."""
    if peer == settings.locate().node_id:
        raise CommandError(f'{peer} is this node: its own clients are "{LOCAL}"')
    bound = None if table is None else table.get("key")
    found = Answers(settings).key(peer, given, bound)
    comparison = Comparison(peer, found, given, bound)
    key = comparison.key
    comparison.ask(yes=yes)
    return key


def _write(settings: Settings, addition: Addition, table: Mapping[str, Any]) -> int:
    """Write a grant and have the node reload; say what came of it. Raises: ConfigError."""
    path = settings.config_file()
    missing = addition.missing_in(table)
    rekeyed = addition.key is not None and table.get("key") != addition.key
    if not missing and not rekeyed:
        click.echo(f"[{addition.header}] in {path} has all of this already")
        return ExitCode.OK
    rewrite_config(path, lambda text: with_grant(text, addition), refusals(path))
    said = [f"{kind}: {', '.join(names)}" for kind, names in missing.items()]
    what = "; ".join(["the key", *said] if rekeyed else said)
    click.echo(printable(f"wrote into [{addition.header}] of {path}: {what}"))
    return reload_node(path)


def refusals(path: Path) -> Callable[[Config], list[str]]:
    """Return what finds the mistakes for which a changed configuration is not written.

    Those that the file has before do not count where it has no tests. Where it has some, all
    count: a test that fails refuses the outcome, and another mistake would keep tests from running.
    """
    before = Config.load(path)
    known = [] if before.has_table(TESTS_TABLE) else problems_of(before)
    return lambda changed: [one for one in problems_of(changed) if one not in known]


def reload_node(path: Path) -> int:
    try:
        answer: Any = call(path, "reload", timeout=120.0)
    except NotRunning:
        click.echo("the node does not run: it is in force when the node starts")
        return ExitCode.OK
    except ControlError as error:
        if error.code != "bad_config" or not isinstance(error.detail, dict):
            raise
        problems = error.detail.get("problems", [str(error)])
        told = "the node refuses the file, and the tables that were in force before stay in force"
        raise ConfigError([told, *problems]) from None
    if answer["faults"]:
        raise CommandError(f"the node took it over with faults: {'; '.join(answer['faults'])}")
    click.echo("the node has it in force")
    return ExitCode.OK
