"""Classes of tables that are named, ``"shop.config:Shop"``, and imported when they are wanted."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TypeAlias

from clawmatrix_core.config.schema import check_class

__all__ = ["ConfigClass", "is_loaded", "load_class", "name_of"]

ConfigClass: TypeAlias = type | str
"""An attrs class, or the name of one."""


def name_of(cls: type) -> str:
    """Return the name of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def is_loaded(cls: ConfigClass) -> bool:
    """Say whether ``load_class`` imports nothing."""
    return not isinstance(cls, str) or cls.partition(":")[0] in sys.modules


def load_class(cls: ConfigClass) -> type:
    """Return the class. Raises: ImportError; TypeError, where a name is not that of a table."""
    if not isinstance(cls, str):
        return cls
    module, _, name = cls.partition(":")
    found = getattr(import_module(module), name, None)
    if not isinstance(found, type) or name_of(found) != cls:
        raise TypeError(f"{cls!r} does not name a class where it is defined")
    check_class(found)
    return found
