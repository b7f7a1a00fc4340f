"""``clawmatrix key``: a node's own keys."""

from __future__ import annotations

import time

import click

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.cli.context import Settings, echo_json, pass_settings
from clawmatrix_core.cli.control_client import locate
from clawmatrix_core.cli.owner import require_own_file
from clawmatrix_core.members.identity import digits
from clawmatrix_core.members.succession import rotate as rotate_keys
from clawmatrix_core.state.folder import StateFolder

__all__ = ["key"]


@click.group(epilog="Example: clawmatrix key rotate")
def key() -> None:
    """Change the key that this node is known by."""


@key.command(epilog="Example: clawmatrix key rotate")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def rotate(settings: Settings, as_json: bool) -> None:
    """Give the node new keys; the old one signs that they are its own. Stop the node first.

    Other nodes go along when they next hear from it. A key that was stolen is not mended
    by this, since the thief can do the same: revoke it.
    """
    require_own_file(settings.config_file())
    place = locate(settings.config_file())
    try:
        with StateFolder(place.state_dir) as state:
            old, new = rotate_keys(state, place.node_id, int(time.time() * 1000))
    except StateError as error:
        if "in use" not in str(error):
            raise
        told = str(error).rpartition(": ")[0]
        raise StateError(f"{told}: stop the node first") from None
    if as_json:
        echo_json({"nodeId": place.node_id, "old": old.fingerprint, "new": new.fingerprint})
        return
    click.echo(
        f"{place.node_id} was known by  {old.fingerprint}\n"
        f"it is from now on    {new.fingerprint}\n"
        f"read out as          {digits(new.sign_public)}\n"
        "Start it: the others go along when they hear from it."
    )
