"""Whether a folder is the workspace that it was, with what is known of it.

A random id and a counter stand in the workspace and in the state of the node. Where they do not
agree the workspace was copied, restored, or put back to an earlier time. What was known of its
files then says nothing of what is there now, so the folder joins as a new one does.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from clawmatrix_knowledge.index.store import Shelf

__all__ = ["Mark", "Verdict", "compared", "fresh_mark", "read_mark", "this_boot", "write_mark"]

Verdict: TypeAlias = Literal["same", "joins", "emptied"]
_NAME: Final = "mark"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Mark(msgspec.Struct, frozen=True):
    """What tells a workspace from a copy of it.

    Attributes:
        id: random.
        inode: the number of the root.
        counter: how often its state was written; in the workspace itself, where that counts,
            this is left at 0.
        files: how many files were known.
        boot: which start of the machine it was; empty where the system does not say.
        clean: whether the workspace was closed in the end.
    """

    id: str
    inode: int
    counter: int = 0
    files: int = 0
    boot: str = ""
    clean: bool = False

    def lost_power(self, boot: str) -> bool:
        """Say whether power may have been lost while the workspace was open."""
        return not self.clean and not (boot and boot == self.boot)


def compared(
    here: Mark | None, kept: Mark | None, *, inode: int, counter: int, files: int
) -> Verdict:
    """Say whether a folder is what it was.

    Args:
        here: the mark in the workspace.
        kept: the mark in the state of the node.
        inode: the number of the root.
        counter: how often the state in the workspace was written.
        files: how many names there are in the root, but for the folder of the state.
    """
    if (
        here is not None
        and kept is not None
        and here.id == kept.id
        and counter >= kept.counter
        and inode in (here.inode, kept.inode)
    ):
        return "same"
    # An unmounted disk leaves an empty folder, in which anybody may make another mark, or a copy of
    # the mark.
    return "emptied" if kept is not None and kept.files and not files else "joins"


def this_boot() -> str:
    """Return what tells this start of the machine from others; empty where nothing does."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def fresh_mark(inode: int) -> Mark:
    """Return a mark that no other workspace has."""
    return Mark(secrets.token_hex(16), inode)


def read_mark(shelf: Shelf) -> Mark | None:
    """Return the mark of a workspace, None where there is none. It blocks. Raises: OSError."""
    try:
        return msgspec.json.decode(shelf.read(_NAME), type=Mark)
    except msgspec.MsgspecError:
        return None


def write_mark(shelf: Shelf, mark: Mark) -> None:
    """Keep the mark of a workspace. It blocks. Raises: OSError."""
    shelf.replace(_NAME, msgspec.json.encode(mark))
