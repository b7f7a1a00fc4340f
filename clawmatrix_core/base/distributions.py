"""Installed distributions: their names, and what an extra of one still needs."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["UNKNOWN", "about", "missing_requirement", "own_version", "same_name", "unmet"]

UNKNOWN = "unknown"
"""The version of a program whose metadata is not there."""


@lru_cache(maxsize=16)
def about(dist: metadata.Distribution) -> tuple[str, str]:
    """Return a distribution's name and version; each look at its metadata would parse it anew."""
    about = dist.metadata
    return str(about["Name"]), str(about["Version"])


@lru_cache(maxsize=1)
def own_version() -> str:
    """Return the version of this program, as it was when it was asked for first.

    Its metadata can go while a node runs: an update puts other files in its place.
    """
    try:
        return metadata.version("clawmatrix")
    except metadata.PackageNotFoundError:
        return UNKNOWN


@lru_cache(maxsize=16)
def _requirements(dist: metadata.Distribution) -> Sequence[str]:
    return tuple(dist.requires or ())


@lru_cache(maxsize=16)
def _optional(dist: metadata.Distribution) -> Sequence[tuple[str, str, Sequence[str], str]]:
    """Return what its extras need: the extra, a name, extras of that, and the whole marker."""
    matches = (_REQUIREMENT.match(line) for line in _requirements(dist))
    return tuple(
        (_plain(found[4]), found[1], tuple(_listed(found[2] or "")), found[3])
        for found in matches
        if found is not None
    )


def _listed(names: str) -> Iterable[str]:
    return filter(None, (name.strip() for name in names.split(",")))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def same_name(one: str, other: str) -> bool:
    """Say whether two names are of one distribution."""
    return one == other or _plain(one) == _plain(other)


_NAME = re.compile(r"[^A-Za-z0-9._-]")
_REQUIREMENT = re.compile(
    r"""^([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?[^;]*;(.*\bextra\s*==\s*['"]([^'"]+).*)$"""
)


def missing_requirement(
    dist: metadata.Distribution, extras: Iterable[str]
) -> tuple[str, str] | None:
    """Return a distribution that is missing for one of these extras, and that extra.

    None where all are there. An extra may ask for others of the same distribution.
    """
    wanted, (own, _) = list(extras), about(dist)
    for extra in wanted:  # it grows meanwhile
        for name, others, marker in _required_by(dist, extra):
            if same_name(name, own):
                wanted += [other for other in others if other not in wanted]
            elif not _is_installed(name) and _applies(marker, extra):
                return name, extra
    return None


def unmet(dist: metadata.Distribution, name: str, version: str) -> str | None:
    """Return what a distribution wants of another one, where this version of it is not that."""
    lines = [
        line for line in _requirements(dist) if same_name(_NAME.split(line, maxsplit=1)[0], name)
    ]
    if not lines:
        return None
    from packaging.requirements import InvalidRequirement, Requirement  # as below

    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue  # nobody can tell
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if applies and not wanted.specifier.contains(version, prereleases=True):
            return f"{name}{wanted.specifier}"
    return None


def _required_by(
    dist: metadata.Distribution, extra: str
) -> Iterable[tuple[str, Sequence[str], str]]:
    wanted = _plain(extra)
    for its, name, extras, marker in _optional(dist):
        if its == wanted:
            yield name, extras, marker


def _applies(marker: str, extra: str) -> bool:
    """Say whether a requirement is one on this system, and with this Python."""
    from packaging.markers import InvalidMarker, Marker  # 10 ms, and seldom needed

    try:
        return Marker(marker).evaluate({"extra": extra})
    except InvalidMarker:
        return True  # nobody can tell: better to name the package than to fail


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
