"""``clawmatrix secret``: exchange the secret of the mesh, node by node."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.context import Settings, pass_settings
from clawmatrix_core.cli.new_config import make_secret
from clawmatrix_core.cli.rewriting import rewrite_config
from clawmatrix_core.config.core import SECRETS_MOST
from clawmatrix_core.config.template import toml_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from clawmatrix_core.config.config import Config

__all__ = ["secret", "with_secret", "without_previous"]

_TABLE = re.compile(r"(?m)^\s*\[")
_SECRET = re.compile(r"(?m)^secret[ \t]*=.*$")
_PREVIOUS = re.compile(r"(?m)^previous_secrets[ \t]*=.*\n?")


def with_secret(text: str, new: str) -> str:
    """Return a configuration with a new secret; the one before is still taken.

    Raises: ConfigError, where the text cannot be changed without a person.
    """
    raw = tomllib.loads(text)
    old = raw.get("secret")
    if not isinstance(old, str):
        raise ConfigError(["secret: is missing"])
    if new == old:
        raise ConfigError(["secret: is this one already"])
    previous = list(dict.fromkeys([old, *raw.get("previous_secrets", [])]))[:SECRETS_MOST]
    lines = f"secret = {toml_value(new)}\nprevious_secrets = {toml_value(previous)}"
    changed = {**raw, "secret": new, "previous_secrets": previous}
    return _edited(text, changed, lambda top: _SECRET.sub(lambda _: lines, _PREVIOUS.sub("", top)))


def without_previous(text: str) -> str:
    """Return a configuration whose secret alone is taken. Raises: ConfigError."""
    raw = tomllib.loads(text)
    if "previous_secrets" not in raw:
        raise ConfigError(["previous_secrets: there is none to retire"])
    del raw["previous_secrets"]
    return _edited(text, raw, lambda top: _PREVIOUS.sub("", top))


def _edited(text: str, expected: Mapping[str, Any], edit: Callable[[str], str]) -> str:
    """Edit the text before the first table, and check that nothing else changed."""
    table = _TABLE.search(text)
    top = text[: table.start()] if table else text
    edited = edit(top) + text[len(top) :]
    try:
        as_meant = tomllib.loads(edited) == expected
    except tomllib.TOMLDecodeError:
        as_meant = False
    if not as_meant:
        told = "secret and previous_secrets do not stand on a line each: edit the file by hand"
        raise ConfigError([told])
    return edited


@click.group(epilog="Example: clawmatrix secret new")
def secret() -> None:
    """Make a new secret for the mesh, and exchange it without a pause."""


@secret.command("new", epilog="Example: clawmatrix secret new")
def new_() -> None:
    """Print a fresh secret of 256 random bits."""
    click.echo(make_secret())


@secret.command(epilog="Example: clawmatrix secret use env:MESH_SECRET")
@click.argument("reference", metavar="REF|-", default="-")
@pass_settings
def use(settings: Settings, reference: str) -> None:
    """Put a new secret into the configuration, and go on taking the one before.

    The secret is read from standard input, or asked for; "env:NAME" and "file:PATH" say
    where it is kept.
    """
    if reference != "-" and not reference.startswith(("env:", "file:")):
        raise click.UsageError("a secret is not written on the command line: give it to `-`")
    new = _read() if reference == "-" else reference
    path = _change(settings, lambda text: with_secret(text, new))
    click.echo(
        f"{path} has the new secret, and takes the one before too: clawmatrix reload\n"
        "When every node has the new one: clawmatrix secret retire"
    )


@secret.command(epilog="Example: clawmatrix secret retire")
@pass_settings
def retire(settings: Settings) -> None:
    """Take only the present secret from now on; every node must have it by then."""
    path = _change(settings, without_previous)
    click.echo(f"{path} takes one secret only: clawmatrix reload")


def _read() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("New secret of the mesh", hide_input=True, err=True)).strip()
    return sys.stdin.readline(64 * 1024).strip()


def _change(settings: Settings, edit: Callable[[str], str]) -> Path:
    """Rewrite the configuration as a whole, if the outcome is one. Raises: ConfigError."""
    return rewrite_config(settings.config_file(), edit, _look_at_secret)


def _look_at_secret(config: Config) -> Iterator[str]:
    try:
        _ = config.secret  # raises for a short one
    except ConfigError as error:
        yield from error.problems
