"""What a caller asks for, made what will run: that is what conditions and the audit see.

A program gets its whole path, and a folder is written ``ROOT/relative``. What the caller left out
stays out, but for the folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_grants.api import DEFAULT_PATH, resolve_program
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clawmatrix_tool_proxy.exec.guarding.job import Place
    from clawmatrix_tool_proxy.tool import Arguments

__all__ = ["canonical_exec", "canonical_shell", "folder_of"]


def canonical_exec(
    arguments: Arguments, roots: Mapping[str, Place], accepted: Collection[str]
) -> Arguments:
    """Return the arguments of ``exec`` as they will run.

    Args:
        arguments: what was asked for.
        roots: the roots that commands use, by name.
        accepted: the variables that a caller may set.

    Raises: ToolError.
    """
    folder = folder_of(str(arguments["cwd"]), roots)
    program, *rest = _texts("argv", arguments["argv"])
    argv = [_program(program, folder, roots), *rest]
    return {"argv": argv, "cwd": str(folder), **_given(arguments, accepted)}


def canonical_shell(
    arguments: Arguments, roots: Mapping[str, Place], accepted: Collection[str]
) -> Arguments:
    """Return the arguments of ``shell`` as they will run. Raises: ToolError."""
    folder = folder_of(str(arguments["cwd"]), roots)
    (command,) = _texts("command", [arguments["command"]])
    return {"command": command, "cwd": str(folder), **_given(arguments, accepted)}


def folder_of(cwd: str, roots: Mapping[str, Place]) -> RootPath:
    """Return the folder that a command starts in. Raises: ToolError."""
    if not cwd and len(roots) == 1:
        return RootPath(next(iter(roots)))
    names = ", ".join(sorted(roots)) or "none"
    if not cwd:
        raise ToolError(f"cwd is missing: a folder of a root ({names})", "bad_path")
    folder = RootPath.parse(cwd)
    if folder.root not in roots:
        raise ToolError(f"{folder.root}: no root of commands here; there are: {names}", "no_root")
    return folder


def _program(name: str, folder: RootPath, roots: Mapping[str, Place]) -> str:
    """Return the whole path of a program, without asking what is there."""
    if "/" in name and not name.startswith("/"):
        start = Path(roots[folder.root].path, *folder.parts)
        name = os.path.normpath(start / name)
    try:
        return resolve_program(name, DEFAULT_PATH)
    except (LookupError, ValueError) as error:
        raise ToolError(str(error), "no_program") from None


def _given(arguments: Arguments, accepted: Collection[str]) -> Arguments:
    """Return the rest of what the caller gave."""
    env = arguments["env"] or {}
    refused = sorted(env.keys() - set(accepted))
    if refused:
        words = f"{', '.join(refused)}: not among the variables that a caller may set here"
        raise ToolError(words, "bad_arguments")
    _texts("env", env.values())
    given = {"env": env, "stdin": arguments["stdin"], "timeout": arguments["timeout"]}
    return {name: value for name, value in given.items() if value not in (None, "", {})}


def _texts(name: str, values: Collection[str]) -> list[str]:
    """Return texts that the kernel can take. Raises: ToolError."""
    for value in values:
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ToolError(f"{name} has a text with NUL or half a character", "bad_arguments")
    return list(values)
