"""Where files are: the configuration, and a node's state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "APP",
    "CONFIG_NAME",
    "config_places",
    "default_state_dir",
    "expand",
    "find_config",
    "user_config",
]

APP = "clawmatrix"
CONFIG_NAME = "clawmatrix.toml"


def find_config(explicit: Path | None = None) -> Path:
    """Return the configuration file to use, as an absolute path.

    Args:
        explicit: the file asked for; else the current folder's, else the user's.

    Raises: ConfigError, which names the places that were looked at.
    """
    if explicit is not None:
        given = expand(explicit)
        if not given.is_file():
            raise ConfigError([f"{explicit}: there is no such file; `clawmatrix init` makes one"])
        return given.absolute()
    looked = []
    for place in config_places():
        if place.is_file():
            return place
        looked.append(str(place))
    told = " or ".join(looked)
    raise ConfigError([f"there is no configuration at {told}; `clawmatrix init` makes one"])


def config_places() -> Iterator[Path]:
    """Yield where a configuration is looked for unless one is named, the first place first.

    Raises: ConfigError, behind the first, where the user has no home folder.
    """
    yield Path(CONFIG_NAME).absolute()
    yield user_config()


def default_state_dir(node_id: str) -> Path:
    """Return the folder a node keeps its state in unless it is told another.

    Raises: ConfigError, where the user has no home folder.
    """
    import platformdirs  # imported here, as below: a node whose places are told does without

    return _of_user(platformdirs.user_state_path, "state_dir in the configuration") / node_id


def user_config() -> Path:
    """Return where the user's own configuration is. Raises: ConfigError, as below."""
    import platformdirs

    return _of_user(platformdirs.user_config_path, "the configuration with -c FILE") / CONFIG_NAME


def expand(path: Path) -> Path:
    """Return a path with the home folder in the place of ``~``. Raises: ConfigError."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError([f"{path}: this user has no home folder"]) from None


def _of_user(find: Callable[[str], Path], otherwise: str) -> Path:
    try:
        found = find(APP)
    except (KeyError, RuntimeError):  # the user has no entry in the system's list
        found = Path("~")
    if not found.is_absolute():
        raise ConfigError([f"this user has no home folder: set HOME, or name {otherwise}"])
    return found
