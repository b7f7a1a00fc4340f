"""``clawmatrix plugins new``: a distribution with a plugin that does something, and its tests."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.util import find_spec
from string import Template
from typing import TYPE_CHECKING

from clawmatrix_core.config.core import CORE_KEYS
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.kit.names import built_in_schemes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

__all__ = ["begin_plugin", "check_name", "distribution_of"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LENGTH = 24
"""Characters a name may have, so that the lines of the new files stay short."""
_EXTRAS = frozenset({"tests"})
"""Extras of the new distribution; an extra of a plugin's name says what the plugin needs."""
_TESTS = "Test"
"""How the names of classes begin that pytest takes for tests."""
_SUFFIX = ".txt"  # so that no tool takes a template for a module


def begin_plugin(
    name: str, folder: Path, commands: Collection[str], *, transport: bool = False
) -> Sequence[Path]:
    """Write the distribution of a new plugin, and return its files.

    Args:
        name: the name of the plugin: ``dice`` or ``ink-pots``.
        folder: where to write; it must not exist.
        commands: the names of the core's own commands.
        transport: write a transport in the place of a feature; its scheme is the name.

    Raises: ValueError, where the name cannot be used; FileExistsError, where the folder exists;
        OSError, where it cannot be written.
    """
    check_name(name, commands)
    if transport and name in built_in_schemes():
        raise ValueError(f"{name!r} cannot be the scheme: a transport of ClawMatrix has it")
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{folder} exists: choose another folder with --path, or remove it")
    words = _words(name)
    written = []
    template = "template_transport" if transport else "template"
    for path, text in _templates(files(__package__) / template, folder):
        target = path.parent / path.name.removesuffix(_SUFFIX)
        target = folder / _with_package(target.relative_to(folder), words["package"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(text).substitute(words))
        written.append(target)
    return written


def check_name(name: str, commands: Collection[str]) -> None:
    """Raises: ValueError, where a plugin cannot have the name, with the reason."""
    if not _NAME.fullmatch(name) or len(name) > _LENGTH:
        raise ValueError(
            f"{name!r} is no name for a plugin: use small letters, digits and single dashes, begin"
            f" with a letter, and take {_LENGTH} characters at most"
        )
    for what, taken in _taken(commands):
        if name in taken:
            raise ValueError(f"{name!r} cannot be the plugin's name: {what} has that name")
    words = _words(name)
    if words["Class"].startswith(_TESTS):
        raise ValueError(
            f"{name!r} cannot be the plugin's name: pytest would take its class"
            f" {words['Class']}Plugin for tests"
        )
    if find_spec(words["package"]) is not None:
        raise ValueError(
            f"{name!r} cannot be the plugin's name: its package would be {words['package']},"
            " and Python finds a package of that name already"
        )


def distribution_of(name: str) -> str:
    """Return the name of the distribution of a plugin."""
    return f"clawmatrix-{name}"


def _taken(commands: Collection[str]) -> Iterator[tuple[str, Collection[str]]]:
    """Yield names that a plugin, its command and its table must not have, and who has them."""
    registry = PluginRegistry()
    registry.load()
    yield "an installed plugin", [info.name for info in registry.list()]
    yield "a command of ClawMatrix", commands
    yield "a command of a built-in plugin", {one.name or "" for _, one in registry.commands()}
    yield "a key of the configuration", CORE_KEYS
    yield "a table of a built-in plugin", [one.table for one in registry.config_sections()]
    yield "an extra of the new distribution", _EXTRAS


def _words(name: str) -> Mapping[str, str]:
    identifier = name.replace("-", "_")
    return {
        "name": name,
        "distribution": distribution_of(name),
        "package": f"clawmatrix_{identifier}",
        "Class": "".join(part.capitalize() for part in name.split("-")),
        "type": identifier,
    }


def _templates(folder: Traversable, target: Path) -> Iterator[tuple[Path, str]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _templates(entry, target / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield target / entry.name, entry.read_text()


def _with_package(path: Path, package: str) -> Path:
    return type(path)(*(package if part == "package" else part for part in path.parts))
