"""Opens the roots of a job, each only as the folder that the node knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.parts import Lacking

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Place

__all__ = ["FOLDER", "opened_place"]

FOLDER: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a folder is opened that must be no symbolic link."""


def opened_place(place: Place) -> int:
    """Open a root. Raises: Lacking, where another folder is in its place, or none."""
    try:
        root = os.open(place.path, FOLDER)
    except OSError as error:
        raise Lacking("root", f"{place.path}: {error.strerror}") from None
    status = os.fstat(root)
    if (status.st_dev, status.st_ino) != place.key:
        os.close(root)
        raise Lacking("root", f"{place.path} is another folder than when the node began")
    return root
