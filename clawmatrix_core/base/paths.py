"""Where files are: the configuration, and a node's state."""

from __future__ import annotations

from pathlib import Path

from clawmatrix_core.base.errors import ConfigError

__all__ = ["APP", "CONFIG_NAME", "default_state_dir", "find_config"]

APP = "clawmatrix"
CONFIG_NAME = "clawmatrix.toml"


def find_config(explicit: Path | None = None) -> Path:
    """Return the configuration file to use, as an absolute path.

    Args:
        explicit: the file asked for; else the current folder's, else the user's.

    Raises: ConfigError, which names the places that were looked at.
    """
    if explicit is not None:
        if not explicit.expanduser().is_file():
            raise ConfigError([f"{explicit}: there is no such file; `clawmatrix init` makes one"])
        return explicit.expanduser().absolute()
    import platformdirs  # imported here, as below: a node whose places are told does without

    places = [Path(CONFIG_NAME).absolute(), platformdirs.user_config_path(APP) / CONFIG_NAME]
    for place in places:
        if place.is_file():
            return place
    looked = " or ".join(str(place) for place in places)
    raise ConfigError([f"there is no configuration at {looked}; `clawmatrix init` makes one"])


def default_state_dir(node_id: str) -> Path:
    """Return the folder a node keeps its state in unless it is told another."""
    import platformdirs

    return platformdirs.user_state_path(APP) / node_id
