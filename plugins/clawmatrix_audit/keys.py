"""What the audit keeps in the node's state: the key of its digests, and the word for its chain."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import StateError

if TYPE_CHECKING:
    from clawmatrix_core import JSON, State

__all__ = ["STATE", "AuditKeys", "load_keys", "read_keys"]

STATE: Final = "audit"
"""The state file that it is in."""


@attrs.frozen
class AuditKeys:
    """The key, 32 bytes, and the word for the chain, the same in all heads."""

    key: bytes = attrs.field(repr=False)
    chain: str


def load_keys(state: State) -> AuditKeys:
    """Return what is kept; make and keep it on first use. Raises: StateError."""
    if (found := read_keys(state)) is not None:
        return found
    made = AuditKeys(secrets.token_bytes(32), secrets.token_hex(16))
    key = base64.b64encode(made.key).decode()
    state.write(STATE, {"key": key, "chain": made.chain})
    return made


def read_keys(state: State) -> AuditKeys | None:
    """Return what is kept, None where nothing is yet. Raises: StateError."""
    stored: JSON = state.read(STATE)
    if stored is None:
        return None
    match stored:
        case {"key": str(text), "chain": str(chain)}:
            try:
                return AuditKeys(base64.b64decode(text, validate=True), chain)
            except ValueError:
                pass
    raise StateError(f"{state.locate(STATE)}: a key and a chain are expected")
