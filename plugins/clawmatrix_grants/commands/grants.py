"""``clawmatrix grants``: its commands together."""

from __future__ import annotations

import click

from clawmatrix_grants.commands.adding import add
from clawmatrix_grants.commands.checking import check
from clawmatrix_grants.commands.showing import show

__all__ = ["grants"]


@click.group(epilog="Example: clawmatrix grants show")
def grants() -> None:
    """Say which node may use what of this one, and see what that comes to."""


for _command in (add, show, check):
    grants.add_command(_command)
