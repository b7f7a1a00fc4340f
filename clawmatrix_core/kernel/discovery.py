"""Finding plugins: entry points, the distributions they came with, and the extras they need."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["GROUP", "about", "entry_points_in_order", "is_built_in", "missing_extra"]

GROUP = "clawmatrix.plugins"
DISTRIBUTION = "clawmatrix"


def entry_points_in_order() -> Sequence[metadata.EntryPoint]:
    """Return the entry points of plugins: the built-in ones first, then by name."""

    def order(entry: metadata.EntryPoint) -> tuple[bool, str, str]:
        return (not is_built_in(entry), entry.name, about(entry.dist)[0] if entry.dist else "")

    # An editable install can be seen twice: by its metadata and by its source folder.
    unique = {(e.name, e.value): e for e in metadata.entry_points(group=GROUP)}
    return sorted(unique.values(), key=order)


@lru_cache(maxsize=16)
def about(dist: metadata.Distribution) -> tuple[str, str]:
    """Return a distribution's name and version; each look at its metadata would parse it anew."""
    about = dist.metadata
    return str(about["Name"]), str(about["Version"])


def is_built_in(entry: metadata.EntryPoint) -> bool:
    """Say whether a plugin came with ClawMatrix itself."""
    return entry.dist is not None and _same(about(entry.dist)[0], DISTRIBUTION)


def _same(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


_REQUIREMENT = re.compile(
    r"""^([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?[^;]*;(.*\bextra\s*==\s*['"]([^'"]+).*)$"""
)


def missing_extra(entry: metadata.EntryPoint) -> str | None:
    """Say which extra to install, where the plugin's own one is not there whole."""
    if entry.dist is None:
        return None
    wanted, (own, _) = [entry.name, *entry.extras], about(entry.dist)
    for extra in wanted:  # grows: an extra may ask for others of the same distribution
        for name, extras, marker in _required_by(entry.dist, extra):
            if _same(name, own):
                wanted += [other for other in extras if other not in wanted]
            elif not _is_installed(name) and _applies(marker, extra):
                return f"needs {name}: pip install '{own}[{extra}]'"
    return None


def _required_by(
    dist: metadata.Distribution, extra: str
) -> Iterable[tuple[str, Sequence[str], str]]:
    for line in dist.requires or ():
        found = _REQUIREMENT.match(line)
        if found is not None and _same(found[4], extra):
            extras = [name.strip() for name in (found[2] or "").split(",") if name.strip()]
            yield found[1], extras, found[3]


def _applies(marker: str, extra: str) -> bool:
    """Say whether a requirement is one on this system, and with this Python."""
    from packaging.markers import InvalidMarker, Marker  # 10 ms, and seldom needed

    try:
        return Marker(marker).evaluate({"extra": extra})
    except InvalidMarker:
        return True  # who can say: name the package, and leave the other plugins alone


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
