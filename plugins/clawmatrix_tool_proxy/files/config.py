"""The table ``[tool-proxy.roots]``: the folders that tools read and write in, by name."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read from the annotation
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import option
from clawmatrix_tool_proxy.files.paths import ROOT_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["RootTable", "check_root_names", "root_tables"]


@attrs.frozen
class RootTable:
    """A root as a table."""

    path: Path = option(doc="The folder.")
    write: bool = option(
        default=True, doc="Whether tools write there; false gives them the root to read."
    )


def check_root_names(_: object, __: attrs.Attribute[Any], roots: Mapping[str, object]) -> None:
    """Raises: ValueError, where a root has a name that no path can have."""
    for name in roots:
        if not ROOT_NAME.fullmatch(name):
            raise ValueError(
                f"has a root {name!r}: a name is small letters, digits, - and _, 32 at most,"
                " with a letter or a digit first"
            )


def root_tables(roots: Mapping[str, Path | RootTable]) -> dict[str, RootTable]:
    """Return the roots with all of their keys: a path alone is read and written."""
    return {
        name: root if isinstance(root, RootTable) else RootTable(path=root)
        for name, root in roots.items()
    }
