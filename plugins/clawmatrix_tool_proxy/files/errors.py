"""Why a tool did not do something with a file: a word for programs, and a sentence with the place.

``CODES`` has all of the words.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.files.paths import RootPath

__all__ = ["CODES", "failure", "refusal"]

CODES: Final = {
    "bad_arguments": "an argument has a wrong type or name, is no text, or no base64",
    "bad_path": "the path is none, see [paths](#paths)",
    "bad_pattern": "the pattern is none, or it is too long",
    "binary": "the file is no text",
    "busy": "the node has no descriptor left",
    "changed": "the file was changed by somebody else meanwhile",
    "failed": "the system says something else",
    "is_link": "the path leads over a symbolic link; the message says where the link leads",
    "is_root": "the folder is a root of its own, and has another path",
    "many_names": "the file has more than one name (hard links), and is not written",
    "no_root": "there is no such root, or its folder cannot be opened",
    "no_space": "the disk is full, or a quota is",
    "not_found": "there is no such file or folder",
    "not_unique": "the text that is to be replaced is there more than once",
    "permission": "the user of the node may not do that",
    "private": "the file is the node's own, or in a `.clawmatrix`",
    "read_only": "the root, or the file system, is not for writing",
    "slow_pattern": "the pattern took too long on a piece of a file",
    "text_not_found": "the text that is to be replaced is not there",
    "too_large": "the file or the text is larger than the tool takes",
    "wrong_kind": "it is a folder, a pipe, a device or a socket, or no folder",
}
"""The words, each with what it stands for."""

_OF_SYSTEM: Final = {
    errno.ENOENT: ("not_found", "there is no such file or folder"),
    errno.ENOTDIR: ("wrong_kind", "it is no folder"),
    errno.EISDIR: ("wrong_kind", "it is a folder"),
    errno.ELOOP: ("is_link", "it was a symbolic link a moment ago"),
    errno.ENXIO: ("wrong_kind", "it is no plain file"),
    errno.EACCES: ("permission", "the user of the node may not do that"),
    errno.EPERM: ("permission", "the user of the node may not do that"),
    errno.EROFS: ("read_only", "the file system is not for writing"),
    errno.ENOSPC: ("no_space", "the disk is full"),
    errno.EDQUOT: ("no_space", "the disk quota of the node's user is used up"),
    errno.EFBIG: ("too_large", "the file would be larger than is allowed"),
    errno.ENAMETOOLONG: ("bad_path", "the name is too long for this disk"),
    errno.EMFILE: ("busy", "the node has too many files open; ask again"),
    errno.ENFILE: ("busy", "the machine has too many files open; ask again"),
}


def refusal(place: RootPath, code: str, words: str) -> ToolError:
    """Return an error about a place: ``ROOT/relative: words``."""
    return ToolError(f"{place}: {words}", code)


def failure(place: RootPath, error: OSError) -> ToolError:
    """Return what the system's error says about a place."""
    words = f"{error.strerror or 'an error'}".lower()
    return refusal(place, *_OF_SYSTEM.get(error.errno or 0, ("failed", words)))
