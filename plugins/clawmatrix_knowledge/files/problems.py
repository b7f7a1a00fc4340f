"""What keeps a file from being read or written. The rest of the workspace goes on."""

from __future__ import annotations

import errno
from typing import Final, Literal, TypeAlias

import attrs

__all__ = ["Problem", "ProblemKind", "problem_of"]

ProblemKind: TypeAlias = Literal[
    "blocked", "clash", "failed", "form", "full", "large", "link", "mount", "moving", "name",
    "refused", "special",
]  # fmt: skip
"""Why.

``blocked``: a file or a link is where a folder has to be. ``clash``: another name differs in case
only. ``failed``: the disk gave an error. ``form``: the name is there in two Unicode forms.
``full``: there is no room. ``large``: it is larger than the workspace takes. ``link``: it is a
symbolic link, or a file with several names. ``mount``: another file system is there, or was.
``moving``: it changes while it is read. ``name``: its name cannot be synced, or not be written
here. ``refused``: the user has no right to it. ``special``: it is a pipe, a socket or a device.
"""

_KINDS: Final[dict[int, ProblemKind]] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EACCES: "refused",
    errno.EPERM: "refused",
    errno.EROFS: "refused",
    errno.ENAMETOOLONG: "name",
    errno.EINVAL: "name",
    errno.EILSEQ: "name",
    errno.EXDEV: "mount",
    errno.ELOOP: "blocked",
    errno.ENOTDIR: "blocked",
    errno.EEXIST: "clash",
    errno.ENOENT: "moving",
}


@attrs.frozen
class Problem:
    """What is wrong with one path, or with a folder and all below it.

    Attributes:
        path: the path; of a name that is not UTF-8, with its bytes escaped.
        kind: why, in one word.
        reason: why, for people; begins with a verb.
        is_note: whether the file syncs nevertheless.
    """

    path: str
    kind: ProblemKind
    reason: str
    is_note: bool = False


def problem_of(path: str, error: OSError) -> Problem:
    """Return what an error of the file system means for a path."""
    kind = _KINDS.get(error.errno or 0, "failed")
    said = error.strerror or str(error)
    reasons: dict[ProblemKind, str] = {
        "full": f"finds no room: {said}",
        "refused": f"is not allowed: {said}",
        "name": f"has a name that this file system refuses: {said}",
        "mount": "is on another file system than the workspace, and is not written there",
        "blocked": f"has something else than a folder above it: {said}",
        "moving": "was there a moment ago, and is not now",
        "clash": "differs from another name in case or Unicode form only",
    }
    return Problem(path, kind, reasons.get(kind, f"failed: {said}"))
