"""``clawmatrix approvals allow --as-rule``: a rule allows what it had people asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli import call, printable, rewrite_config
from clawmatrix_grants.approvals.asking_rule import with_rule_allowing
from clawmatrix_grants.commands.adding import refusals, reload_node
from clawmatrix_grants.commands.comparing import ask_yes
from clawmatrix_grants.commands.editing import load_tomlkit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["allow_by_rule"]


def allow_by_rule(config: Path, id_: str, *, yes: bool) -> int:
    """Show what the rule behind a call would allow, ask, and write it; return the exit code.

    Raises: ControlError; ConfigError, CommandError, where nothing is written.
    """
    told = call(config, "approvals.rule", {"id": id_})
    click.echo("its rule is about more than this call. With allow in the place of ask:\n")
    for text in (*told["words"], "", *told["toml"], ""):
        click.echo(printable(text))
    if not yes:
        ask_yes("Write this into the configuration?")
    tomlkit = load_tomlkit()
    refused = refusals(config)
    call(config, "approvals.ruled", {"id": id_})
    rewrite_config(config, lambda text: with_rule_allowing(text, told, tomlkit), refused)
    click.echo(printable(f"wrote it into {config}"))
    return reload_node(config)
