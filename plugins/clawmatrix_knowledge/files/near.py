"""Folders for temporary files on file systems that are mounted inside a workspace.

Files cannot be renamed from one file system to another, also not where both are the same disk.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.traits import OWN, TEMPORARY

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files, Names

__all__ = ["folder_of", "is_near", "leave", "leave_folder", "make_near"]


def make_near(files: Files, folder: Names) -> Names:
    """Make a folder for temporary files in a folder of the workspace. Raises: OSError."""
    near = (*folder, *TEMPORARY)
    for names in (near[:-1], near):
        with suppress(FileExistsError):
            files.make_folder(names, 0o700)
    return near


def folder_of(staged: Names) -> Names:
    """Return the folder in which what a staged file replaces can be kept."""
    return TEMPORARY if staged[:1] == OWN else staged[:-1]


def is_near(names: Names) -> bool:
    """Say whether a place is in such a folder."""
    return names[:1] != OWN and names[-3:-1] == TEMPORARY


def leave(files: Files, names: Names) -> None:
    """Remove a temporary file, and the folder that was made for it."""
    with suppress(OSError):
        files.unlink(names)
    leave_folder(files, names)


def leave_folder(files: Files, names: Names) -> None:
    """Remove the folder that was made for a temporary file, unless there are others in it."""
    if is_near(names):
        with suppress(OSError):
            files.remove_folder(names[:-1])
            files.remove_folder(names[:-2])
