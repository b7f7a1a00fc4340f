"""The versions of state files: which one a program writes, and how it reads older ones. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core.base.errors import NewerStateError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_core.base.json_value import JSON

__all__ = ["CORE_FILES", "DAMAGED", "NAME", "StateFile", "Stored"]


DAMAGED = "put a good copy in its place, or move it away and lose what is in it"
"""What a person can do about a file that cannot be used."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What a state file can be called."""


class Stored(msgspec.Struct, frozen=True):
    """What is in a file: its version, and the value as that version has it."""

    version: int
    data: JSON

    @classmethod
    def decode(cls, path: Path, content: bytes) -> Stored:
        """Read a file's content. Raises: StateError, naming the file."""
        try:
            envelope = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StateError(f"{path} is damaged: {error}; {DAMAGED}") from None
        match envelope:
            case {"version": int(version), **rest} if version >= 1 and version is not True:
                return cls(version, rest.get("data", msgspec.UNSET))
        raise StateError(f'{path} is damaged: no "version" and "data" in it; {DAMAGED}')

    def encode(self) -> bytes:
        """Return the content of a file. Raises: TypeError, for a value that JSON cannot hold."""
        content = msgspec.json.encode({"version": self.version, "data": self.data})
        return msgspec.json.format(content, indent=1) + b"\n"


@attrs.frozen
class StateFile:
    """A file of the state folder, and how it came to its present shape.

    Attributes:
        name: what ``State.read`` and ``State.write`` call it.
        upgrades: what makes a value of version 1 into one of version 2, then what makes that
            into one of version 3, and so on: a change of the shape appends a function.

    Raises: ValueError, for a name that no file can have.
    """

    name: str
    upgrades: tuple[Callable[[JSON], JSON], ...] = ()

    def __attrs_post_init__(self) -> None:
        name: object = self.name
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise ValueError(f"{self.name!r} cannot name a state file")

    @property
    def version(self) -> int:
        """The version that is written, and the highest that is read."""
        return 1 + len(self.upgrades)

    def check(self, path: Path, stored: Stored) -> None:
        """Refuse what cannot be read. Raises: NewerStateError, StateError."""
        if stored.version > self.version:
            raise NewerStateError(
                f"{path} has version {stored.version}, this program reads up to version"
                f" {self.version}: a newer ClawMatrix wrote it; run that one"
                " (nothing was changed)"
            )
        if stored.data is msgspec.UNSET:
            raise StateError(f'{path} is damaged: no "version" and "data" in it; {DAMAGED}')

    def upgrade(self, path: Path, stored: Stored) -> Stored:
        """Return a value in its present shape. Raises: StateError, where it has no sense."""
        data = stored.data
        try:
            for upgrade in self.upgrades[stored.version - 1 :]:
                data = upgrade(data)
        except Exception as error:  # noqa: BLE001 - the disk may hold anything
            raise StateError(  # its text may be a part of the content: a key, a token
                f"{path} cannot be brought from version {stored.version} to {self.version}:"
                f" {type(error).__name__}; {DAMAGED}"
            ) from None
        return Stored(self.version, data)


CORE_FILES = tuple(
    StateFile(name) for name in ("identity", "epoch", "trust", "forgotten", "hidden", "revocations")
)
"""The core's own. Plugins declare theirs with ``register_state_files``."""
