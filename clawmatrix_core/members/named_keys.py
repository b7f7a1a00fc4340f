"""A table of a configuration that names nodes with their keys, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.node_id import NodeId, is_node_id
from clawmatrix_core.config.template import toml_key
from clawmatrix_core.members.identity import key_text, load_identity, read_key_text
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import StateView

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.config.types import Source

__all__ = ["NAMES_MOST", "NamedKeys"]

NAMES_MOST = 64
"""Nodes that a table can name: they all stand in the node's record and in invitations."""


@attrs.frozen
class NamedKeys:
    """Ed25519 public keys by the names of their nodes."""

    config_words: ClassVar[str] = 'a table of names with keys, such as home = "ed25519:..."'

    config_table: ClassVar[str] = "mesh.revokers"
    """The table that is meant where a configuration has a list of names in its place."""

    keys: Mapping[str, bytes] = attrs.field(factory=dict)

    @classmethod
    def from_config(cls, value: object, source: Source) -> Self:
        """Return the table. Raises: ValueError, with lines to write for a list; TypeError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, list | tuple):
            raise ValueError(_in_place_of(value, source, cls.config_table))
        return cls.parse(value)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return what keys as text by name say. Raises: ValueError, TypeError."""
        if not isinstance(value, Mapping):
            raise TypeError
        if len(value) > NAMES_MOST:
            raise ValueError(f"names {len(value)} nodes, and {NAMES_MOST} are the most")
        return cls({name: _key(name, text) for name, text in value.items()})

    def lines(self) -> list[str]:
        """Return the table's lines in TOML."""
        return [f'{toml_key(name)} = "{text}"' for name, text in self.texts().items()]

    def texts(self) -> dict[str, str]:
        """Return the keys as text, which ``parse`` takes."""
        return {name: key_text(key) for name, key in self.keys.items()}


def _key(name: object, text: object) -> bytes:
    if not isinstance(name, str) or not is_node_id(name):
        raise ValueError(f'"{name}" is not the name of a node')
    try:
        if not isinstance(text, str):
            raise ValueError('expected "ed25519:" and 32 bytes of base64')
        return read_key_text(text)
    except ValueError as error:
        raise ValueError(
            f"{name}: {error}; `clawmatrix fingerprint --key` there prints it"
        ) from None


def _in_place_of(names: list[object] | tuple[object, ...], source: Source, table: str) -> str:
    """Return what to say of a list of names, with the lines to write in its place."""
    key_of = _known_keys(source)
    lines = [_line(name, key_of(name)) for name in names if isinstance(name, str)]
    first = "is a table of names with keys, no list of names. Write in its place, after all of"
    return "\n    ".join([f"{first} [mesh]:", f"[{table}]", *lines])


def _line(name: str, key: bytes | None) -> str:
    if not is_node_id(name):
        return f"# {name!r} is not the name of a node"
    if key is not None:
        return NamedKeys({name: key}).lines()[0]
    return (
        f'# {toml_key(name)} = "ed25519:..."'
        f"   (not known here: `clawmatrix fingerprint --key` on {name} prints the line)"
    )


def _known_keys(source: Source) -> Callable[[str], bytes | None]:
    """Return what finds the key of a name in this node's state."""
    if source.state_dir is None:
        return lambda _: None
    view = StateView(source.state_dir)
    try:
        trust = TrustStore(view)
        own = None if view.read("identity") is None else load_identity(view).sign_public
    except (StateError, OSError):
        return lambda _: None
    return lambda name: own if name == source.node_id else _present(trust.keys(NodeId(name)))


def _present(keys: tuple[bytes, ...]) -> bytes | None:
    return keys[0] if keys else None
