"""What is to be checked: a folder with the source of plugins, a distribution, or one plugin."""

from __future__ import annotations

import re
import sys
import tomllib
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.base.distributions import about
from clawmatrix_core.loading.discovery import GROUP, SPECS_GROUP, entry_points_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Target", "find_target"]

_PLACE = re.compile(r"[\w.]+:[\w.]+")


@attrs.frozen
class Target:
    """Plugins that are checked together.

    Attributes:
        name: what they are called together, for people.
        plugins: where each plugin is, by its name: ``dice_plugin.plugin:DicePlugin``.
        specs: the modules with specifications of hooks, by the plugin that owns them.
        folders: where their modules are, none where they are installed.
    """

    name: str
    plugins: Mapping[str, str]
    specs: Mapping[str, str] = attrs.field(factory=dict)
    folders: Sequence[Path] = ()

    @property
    def modules(self) -> Sequence[str]:
        """The modules that the plugins themselves are in."""
        return [place.partition(":")[0] for place in self.plugins.values()]

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Have Python find the modules within the block, and leave no compiled files there."""
        before, compiled = sys.path[:], sys.dont_write_bytecode
        sys.path[:0] = map(str, self.folders)
        sys.dont_write_bytecode = sys.dont_write_bytecode or bool(self.folders)
        try:
            yield
        finally:
            sys.path[:], sys.dont_write_bytecode = before, compiled


def find_target(text: str) -> Target:
    """Return what a person named: a folder, ``module:Class``, or an installed distribution.

    Raises: ValueError, where there is nothing of that name, or it brings no plugin.
    """
    if (folder := Path(text)).is_dir():
        return _in_folder(folder)
    if _PLACE.fullmatch(text):
        return _at_place(text)
    try:
        return _installed(metadata.distribution(text))
    except metadata.PackageNotFoundError:
        raise ValueError(
            f"{text} is no folder, no installed distribution, and no module:Class"
        ) from None


def _at_place(place: str) -> Target:
    for entry in entry_points_in_order()[GROUP]:
        if entry.value == place and entry.dist is not None:
            return Target(about(entry.dist)[0], {entry.name: place})
    return Target(place, {place.rpartition(":")[2]: place})


def _installed(dist: metadata.Distribution) -> Target:
    groups: dict[str, dict[str, str]] = {GROUP: {}, SPECS_GROUP: {}}
    for entry in dist.entry_points:
        groups.setdefault(entry.group, {})[entry.name] = entry.value.partition("[")[0].strip()
    return _made(about(dist)[0], groups, ())


def _in_folder(folder: Path) -> Target:
    file = folder / "pyproject.toml"
    try:
        project: dict[str, Any] = tomllib.loads(file.read_text())
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    about = project.get("project", {})
    groups = {
        group: {name: str(value).partition("[")[0].strip() for name, value in entries.items()}
        for group, entries in about.get("entry-points", {}).items()
    }
    return _made(str(about.get("name", folder.name)), groups, _folders_of(folder, project))


def _made(name: str, groups: Mapping[str, Mapping[str, str]], folders: Sequence[Path]) -> Target:
    plugins = groups.get(GROUP, {})
    if not plugins:
        raise ValueError(f'{name} has no plugin: no [project.entry-points."{GROUP}"]')
    return Target(name, dict(plugins), dict(groups.get(SPECS_GROUP, {})), folders)


def _folders_of(folder: Path, project: Mapping[str, Any]) -> Sequence[Path]:
    """Return the folders that packages may be in: as build tools find them without asking."""
    wheel: Any = project
    for key in ("tool", "hatch", "build", "targets", "wheel"):
        wheel = wheel.get(key, {})
    named = [(folder / package).parent for package in wheel.get("packages", [])]
    found = [path.resolve() for path in (*named, folder / "src", folder) if path.is_dir()]
    return list(dict.fromkeys(found))
