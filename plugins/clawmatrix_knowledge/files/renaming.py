"""Renames that Python's library lacks: an exchange, and one that replaces nothing."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["exchange", "rename_new"]

_IS_MAC: Final = sys.platform == "darwin"
_EXCHANGE: Final = 2
_NEW: Final = 4 if _IS_MAC else 1


def exchange(old_folder: int, old: str, new_folder: int, new: str) -> None:
    """Let two names trade places. Raises: OSError, also where the file system cannot."""
    _rename(old_folder, old, new_folder, new, _EXCHANGE)


def rename_new(old_folder: int, old: str, new_folder: int, new: str) -> None:
    """Rename where the new name is free. Raises: FileExistsError."""
    try:
        _rename(old_folder, old, new_folder, new, _NEW)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
        os.link(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder, follow_symlinks=False)
        os.unlink(old, dir_fd=old_folder)


def _rename(old_folder: int, old: str, new_folder: int, new: str, flags: int) -> None:
    function = _function()
    if function is None:
        raise OSError(errno.ENOSYS, "this system has no such rename")
    if function(old_folder, os.fsencode(old), new_folder, os.fsencode(new), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old, None, new)


@cache
def _function() -> Callable[[int, bytes, int, bytes, int], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "renameatx_np" if _IS_MAC else "renameat2", None)
    if function is None:
        return None
    text, number = ctypes.c_char_p, ctypes.c_int
    function.argtypes = [number, text, number, text, ctypes.c_uint]
    function.restype = number
    found: Callable[[int, bytes, int, bytes, int], int] = function
    return found
