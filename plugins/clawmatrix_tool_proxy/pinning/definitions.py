"""A definition of a tool as pins see it: all of its JSON, as one text. Values only."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs
import msgspec

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["Definition", "definition_of"]


@attrs.frozen
class Definition:
    """All that is said of a tool.

    Attributes:
        text: its JSON, with the keys of each object in order.
        digest: the SHA-256 of the text, in hexadecimal.
    """

    text: str = attrs.field(repr=False)
    digest: str


def definition_of(value: JSON) -> Definition | None:
    """Return what a definition is compared by, None for what is no JSON."""
    try:
        encoded = msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError):
        return None
    return Definition(encoded.decode(), hashlib.sha256(encoded).hexdigest())
