"""Finding plugins by their entry points."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from clawmatrix_core.base.distributions import (
    UNKNOWN,
    about,
    missing_requirement,
    own_version,
    same_name,
    unmet,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "GROUP",
    "SPECS_GROUP",
    "entry_points_in_order",
    "is_built_in",
    "missing_extra",
    "other_version",
]

GROUP = "clawmatrix.plugins"
SPECS_GROUP = "clawmatrix.hookspecs"
DISTRIBUTION = "clawmatrix"


def entry_points_in_order() -> Mapping[str, Sequence[metadata.EntryPoint]]:
    """Return the entry points of each group in order of loading.

    That takes a look at the metadata of every distribution, so callers do it once.
    """

    def order(entry: metadata.EntryPoint) -> tuple[bool, str, str]:
        return (not is_built_in(entry), entry.name, about(entry.dist)[0] if entry.dist else "")

    installed = metadata.entry_points()
    ordered: dict[str, Sequence[metadata.EntryPoint]] = {}
    for group in (GROUP, SPECS_GROUP):
        # An editable install can be seen twice: by its metadata and by its source folder.
        unique = {(e.name, e.value): e for e in installed.select(group=group)}
        ordered[group] = sorted(unique.values(), key=order)
    return ordered


def is_built_in(entry: metadata.EntryPoint) -> bool:
    """Say whether a plugin came with ClawMatrix itself."""
    return entry.dist is not None and same_name(about(entry.dist)[0], DISTRIBUTION)


def other_version(entry: metadata.EntryPoint) -> str | None:
    """Say which ClawMatrix a third party's distribution needs, where that is not this one."""
    here = own_version()
    if entry.dist is None or is_built_in(entry) or here == UNKNOWN:
        return None
    wanted = unmet(entry.dist, DISTRIBUTION, here)
    return f"needs {wanted}, and this is {DISTRIBUTION} {here}" if wanted else None


def missing_extra(entry: metadata.EntryPoint) -> str | None:
    """Say which extra to install, where the plugin's own one is not there whole."""
    if entry.dist is None:
        return None
    missing = missing_requirement(entry.dist, [entry.name, *entry.extras])
    if missing is None:
        return None
    name, extra = missing
    return f"needs {name}: pip install '{about(entry.dist)[0]}[{extra}]'"
