"""The file of a configuration, up to TOML: who can change it, and the tables in it."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_toml"]

_AT = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


def read_toml(path: Path) -> tuple[dict[str, Any], int]:
    """Return what a file says, and its permission bits.

    Raises: ConfigError, where it cannot be read, is not TOML, or any user can change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o7777
            _refuse_open_to_all(path, mode)
            text = file.read().decode()
        return tomllib.loads(text), mode
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deep"]) from None
    except ValueError as error:
        raise ConfigError([_place(path, error)]) from None


def _refuse_open_to_all(path: Path, mode: int) -> None:
    """Refuse a file that every user can change: it says which plugins the node loads."""
    if mode & stat.S_IWOTH:
        told = f"{path}: others can change it (mode {mode:04o}): chmod o-w the file"
        raise ConfigError([told])


def _place(path: Path, error: ValueError) -> str:
    if (match := _AT.fullmatch(str(error))) is None:
        return f"{path}: {error}"
    message, line, column = match.groups()
    return f"{path}: line {line}, column {column}: {message}"
