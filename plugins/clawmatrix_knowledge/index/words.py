"""What the node's process and the document's say to each other. Values only."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

__all__ = [
    "Add",
    "Added",
    "Done",
    "Entry",
    "Failed",
    "Generate",
    "Generated",
    "Open",
    "Opened",
    "Receive",
    "Received",
    "Reply",
    "Request",
    "Save",
    "Saved",
    "Share",
    "Unshare",
]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the map."""

    key: str
    text: str


class Open(msgspec.Struct, frozen=True, tag=True):
    """Make the document of what was stored: a snapshot, empty where there is none, and changes."""

    snapshot: bytes
    changes: list[bytes]


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The entries in order, the heads, and how many changes did not fit and were left out."""

    entries: list[Entry]
    heads: list[bytes]
    dropped: int


class Add(msgspec.Struct, frozen=True, tag=True):
    """Add entries in one change of an actor."""

    actor: bytes
    entries: list[Entry]


class Added(msgspec.Struct, frozen=True, tag=True):
    """The bytes of the change, and the heads."""

    change: bytes
    heads: list[bytes]


class Share(msgspec.Struct, frozen=True, tag=True):
    """Begin to speak with a peer."""

    share: str


class Unshare(msgspec.Struct, frozen=True, tag=True):
    """Forget what was said to a peer."""

    share: str


class Generate(msgspec.Struct, frozen=True, tag=True):
    """Say what there is to say to a peer."""

    share: str


class Generated(msgspec.Struct, frozen=True, tag=True):
    """The message; None where there is nothing to say."""

    message: bytes | None


class Receive(msgspec.Struct, frozen=True, tag=True):
    """Take a peer's message."""

    share: str
    message: bytes


class Received(msgspec.Struct, frozen=True, tag=True):
    """New entries in order, the bytes of the changes that brought them, the heads, and why the next
    change was refused; empty where none was."""

    entries: list[Entry]
    changes: list[bytes]
    heads: list[bytes]
    refused: str = ""


class Save(msgspec.Struct, frozen=True, tag=True):
    """Return the whole document."""


class Saved(msgspec.Struct, frozen=True, tag=True):
    """The document's bytes, and its heads."""

    document: bytes
    heads: list[bytes]


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is done."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """What was asked for was refused."""

    why: str


Request: TypeAlias = Open | Add | Share | Unshare | Generate | Receive | Save
Reply: TypeAlias = Opened | Added | Generated | Received | Saved | Done | Failed
