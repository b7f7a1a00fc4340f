"""What a file system can do, found out by trying, and the folder where it is tried."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_knowledge.files.port import Files, Names

__all__ = ["OWN", "TEMPORARY", "Traits", "Unsupported", "make_own_folder", "try_out"]

OWN: Final[Names] = (OWN_FOLDER,)
TEMPORARY: Final[Names] = (OWN_FOLDER, "tmp")
_GITIGNORE: Final = b"*\n"


class Unsupported(Exception):
    """The file system can replace no file without a moment in which an edit would be lost."""


@attrs.frozen
class Traits:
    """What a file system can do.

    Attributes:
        can_exchange: it lets two names trade places.
        ignores_case: it takes ``a`` for ``A``.
    """

    can_exchange: bool
    ignores_case: bool


def make_own_folder(files: Files) -> None:
    """Make the folder of the workspace's state. Raises: OSError."""
    for names in (OWN, TEMPORARY):
        with suppress(FileExistsError):
            files.make_folder(names, 0o700)
            files.sync_folder(names[:-1])
    found = files.stat(OWN)
    if found is None or found.kind != "folder":
        raise OSError(errno.ENOTDIR, "is no folder", OWN_FOLDER)
    if found.mode != 0o700:
        with suppress(PermissionError):
            files.protect_folder(OWN)
    with suppress(FileExistsError), files.open((*OWN, ".gitignore"), "new") as handle:
        handle.write(0, _GITIGNORE)
        handle.sync()


def try_out(files: Files, token: Callable[[], str]) -> Traits:
    """Find out what a file system can do. Raises: Unsupported; OSError, where it takes no file."""
    one, other = ((*TEMPORARY, f"try-{token()}-{end}") for end in "ab")
    third = (*TEMPORARY, f"{one[-1][:-1]}c")
    try:
        for number, names in enumerate((one, other), 1):
            with files.open(names, "new") as handle:
                handle.write(0, b"x" * number)
                handle.sync()
        upper = (*TEMPORARY, one[-1].replace("try", "TRY"))
        ignores_case = files.stat(upper) is not None
        if _can_exchange(files, one, other):
            return Traits(can_exchange=True, ignores_case=ignores_case)
        _try_links(files, one, other, third)
        return Traits(can_exchange=False, ignores_case=ignores_case)
    finally:
        for names in (one, other, third):
            with suppress(OSError):
                files.unlink(names)


def _can_exchange(files: Files, one: Names, other: Names) -> bool:
    try:
        files.exchange(one, other)
    except OSError:
        return False
    found = files.stat(one)
    return found is not None and found.size == 2


def _try_links(files: Files, one: Names, other: Names, third: Names) -> None:
    try:
        files.link(one, third)
    except OSError as error:
        reason = f"this file system can neither exchange two files nor link one: {error.strerror}"
        raise Unsupported(reason) from None
    files.rename(other, one)
    first, second = files.stat(one), files.stat(third)
    if first is None or second is None or first.inode == second.inode:
        raise Unsupported("this file system mixes up files when they are renamed")
