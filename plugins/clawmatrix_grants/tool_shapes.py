"""What other plugins tell of their tools, so that rules about them can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_grants.programs import PROGRAM_TOOL, resolve_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clawmatrix_core import JSON

__all__ = ["ToolShape", "canonical_arguments", "shape_of"]


@attrs.frozen
class ToolShape:
    """One tool, or several that come and go.

    Attributes:
        name: the name that rules use; one that ends with ``*`` stands for all tools whose names
            begin so, where not all are known yet.
        arguments: the names of all arguments; None where these are not known.
        canonical: returns arguments as the tool's plugin asks with them: defaults filled in, paths
            as ``ROOT/relative``. It raises ValueError for arguments that the tool refuses. None
            leaves them as they are.
        writable: folders, as absolute paths, in which the tool lets callers write files.
        roots: the names that its paths begin with, which are ``ROOT/relative``; empty where it has
            no such paths.
        shows_below: whether a call with a folder as ``path`` shows all that is below it.
    """

    name: str
    arguments: frozenset[str] | None = None
    canonical: Callable[[Mapping[str, JSON]], Mapping[str, JSON]] | None = None
    writable: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    shows_below: bool = False

    def has(self, tool: str) -> bool:
        """Say whether it tells of a tool."""
        if self.name.endswith("*"):
            return tool.startswith(self.name[:-1])
        return tool == self.name


def shape_of(shapes: Iterable[ToolShape], tool: str) -> ToolShape | None:
    """Return what is told of a tool, None where nothing is."""
    return next((shape for shape in shapes if shape.has(tool)), None)


def canonical_arguments(
    shapes: Iterable[ToolShape], tool: str, arguments: Mapping[str, JSON]
) -> Mapping[str, JSON]:
    """Return arguments that a person wrote as rules see them: as they would run.

    Raises: ValueError, where the tool refuses such arguments.
    """
    shape = shape_of(shapes, tool)
    if shape is not None and shape.canonical is not None:
        return shape.canonical(arguments)
    return resolve_arguments(tool, arguments) if tool == PROGRAM_TOOL else arguments
