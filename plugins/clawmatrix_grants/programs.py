"""Names of programs, found in the way in which ``exec`` finds them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

__all__ = ["DEFAULT_PATH", "PROGRAM_TOOL", "folders_of", "resolve_arguments", "resolve_program"]

DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""The PATH that commands of the tool ``exec`` get, and that names in rules are looked up in."""

PROGRAM_TOOL: Final = "exec"
"""The tool whose argument ``argv`` begins with a program."""


def resolve_program(name: str, path: str) -> str:
    """Return the whole path of a program.

    Folders that are symbolic links are followed, and the program itself is not: one program often
    does different things under different names.

    Args:
        name: a bare name, or a whole path.
        path: folders to look a bare name up in, as in ``PATH``.

    Raises: LookupError, for a bare name that is in none of them; ValueError, for a path that does
        not begin at the root, and for an empty name.
    """
    if os.path.isabs(name):
        return _plain(name)
    if not name or os.sep in name:
        raise ValueError(f'"{name}" is neither the name of a program nor a whole path')
    found = shutil.which(name, path=path)
    if found is None or not os.path.isabs(found):
        raise LookupError(f'there is no program "{name}" in {path}')
    return _plain(found)


def folders_of(path: str) -> list[str]:
    """Return the folders of a PATH, symbolic links followed, each once."""
    return list(dict.fromkeys(os.path.realpath(one) for one in path.split(":") if one))


def resolve_arguments(
    tool: str, arguments: Mapping[str, JSON], path: str = DEFAULT_PATH
) -> Mapping[str, JSON]:
    """Return the arguments of a tool with its program as a whole path, where it has one.

    A node does so before it asks; this is for questions that a person writes.
    """
    argv = arguments.get("argv")
    if tool != PROGRAM_TOOL or not isinstance(argv, list) or not argv:
        return arguments
    program = argv[0]
    if not isinstance(program, str):
        return arguments
    try:
        return {**arguments, "argv": [resolve_program(program, path), *argv[1:]]}
    except (LookupError, ValueError):
        return arguments


def _plain(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
