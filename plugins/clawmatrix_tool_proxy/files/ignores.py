"""What the files ``.gitignore`` of a tree leave out, by the rules of git."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_tool_proxy.files.globs import Glob
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_tool_proxy.files.folder import Folder

__all__ = ["NOTHING", "Ignores"]

_NAME: Final = ".gitignore"
_BYTES: Final = 64 * 1024
_LINES: Final = 500
"""Lines of one file that count."""


@attrs.frozen
class _Line:
    glob: Glob
    included: bool
    folders_only: bool


@attrs.frozen
class Ignores:
    """What is left out in a folder, and below it.

    Attributes:
        above: what the folder above says.
        depth: how many names lead from the root to the folder.
        lines: what the folder itself says.
    """

    above: Ignores | None = None
    depth: int = 0
    lines: tuple[_Line, ...] = ()

    def within(self, folder: Folder) -> Ignores:
        """Return what is left out in a folder below this one."""
        lines = tuple(_lines(folder))
        return Ignores(self, len(folder.path.parts), lines) if lines else self

    def has(self, names: Sequence[str], *, folder: bool) -> bool:
        """Say whether a path is left out, as names from the root on."""
        for line in reversed(self.lines):
            if (folder or not line.folders_only) and line.glob.matches(names[self.depth :]):
                return not line.included
        return self.above is not None and self.above.has(names, folder=folder)


NOTHING: Final = Ignores()
"""Leaves nothing out."""


def _lines(folder: Folder) -> Iterator[_Line]:
    try:
        descriptor = folder.file(_NAME)
    except ToolError:
        return
    try:
        data = os.read(descriptor, _BYTES)
    except OSError:
        return
    finally:
        os.close(descriptor)
    for text in data.decode(errors="replace").splitlines()[:_LINES]:
        pattern = text.rstrip(" ") if not text.endswith("\\ ") else text
        if pattern and not pattern.startswith("#"):
            with suppress(ToolError):
                yield _line(pattern)


def _line(pattern: str) -> _Line:
    included = pattern.startswith("!")
    pattern = pattern.removeprefix("!") if included else pattern
    return _Line(Glob.parse(pattern), included, pattern.endswith("/"))
