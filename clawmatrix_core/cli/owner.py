"""The owner of a configuration: root must not make a second key for another user's node."""

from __future__ import annotations

import os
import pwd
import shlex
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["require_own_file"]

ROOT = 0


def require_own_file(config: Path, *, user: int | None = None) -> None:
    """Refuse a configuration that belongs to another user, where root runs the command.

    Without ``state_dir`` the state would be in root's home folder, with another key; in the
    user's own state folder root would leave files that the user cannot read. A ``state_dir``
    that root owns, or that is still to be made, is fine: a container has one.

    Args:
        config: the configuration file.
        user: the number of the user who runs the command; else that of this process.

    Raises: ConfigError.
    """
    user = os.geteuid() if user is None else user
    owner = config.stat().st_uid
    if user != ROOT or owner == ROOT or _has_own_state(config):
        return
    name = _name_of(owner)
    file = shlex.quote(str(config))
    raise ConfigError(
        [
            f"{config} belongs to {name}, and root would be another node, with a key of its own:"
            f" `sudo -u {name} clawmatrix run -c {file}`, or set state_dir to a folder of root's"
        ]
    )


def _has_own_state(config: Path) -> bool:
    from clawmatrix_core.cli.control_client import locate  # hardly ever needed

    place = locate(config)
    if not place.is_chosen:
        return False
    try:
        return place.state_dir.stat().st_uid == ROOT
    except FileNotFoundError:
        return True


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
