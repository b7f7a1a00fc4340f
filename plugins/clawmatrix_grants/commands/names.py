"""Names and arguments as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from clawmatrix_core import LOCAL, is_node_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON

__all__ = ["arguments_of", "asker", "listed"]


def asker(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return who asks. Raises: click.BadParameter, for what is neither a node nor ``@local``."""
    if value is not None and value != LOCAL and not is_node_id(value):
        raise click.BadParameter(f'expected the name of a node, or "{LOCAL}"')
    return value


def listed(_: click.Context, __: click.Parameter, values: Sequence[str]) -> list[str]:
    """Return names that are given with commas, or one by one. Raises: click.BadParameter."""
    names = [name.strip() for value in values for name in value.split(",")]
    if not all(names):
        raise click.BadParameter("expected names with commas in between")
    return names


def arguments_of(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, JSON]:
    """Return arguments of ``name=value``, each value as JSON where it is some, else as text.

    Raises: click.BadParameter.
    """
    found: dict[str, JSON] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f'expected NAME=VALUE, got "{value}"')
        if name in found:
            raise click.BadParameter(f'"{name}" is given twice')
        found[name] = _value(text)
    return found


def _value(text: str) -> JSON:
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return text


def _refused(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
