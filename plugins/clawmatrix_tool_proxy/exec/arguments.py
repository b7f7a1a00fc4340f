"""What a caller asks for, made what will run: that is what conditions and the audit see.

A program gets the path that it really has, and a folder is written ``ROOT/relative``. What the
caller left out is left out, but for the folder.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.exec.guarding.job import Place
    from clawmatrix_tool_proxy.tool import Arguments

__all__ = ["Folder", "canonical_exec", "canonical_shell", "folder_of"]

DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"

Roots = "Mapping[str, Place]"


def canonical_exec(arguments: Arguments, roots: Mapping[str, Place], accepted: Sequence[str]) -> Arguments:
    """Return the arguments of ``exec`` as they will run.

    Args:
        arguments: what was asked for.
        roots: the roots that commands use, by name.
        accepted: the variables that a caller may set.

    Raises: ToolError.
    """
    folder = Folder.named(arguments.get("cwd"), roots)
    ...
