"""The JSON of the errors that the server itself answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_http.api import ErrorShape, HttpRefusal

__all__ = ["body_of", "plain_error"]

_encode = msgspec.json.Encoder().encode


def plain_error(refusal: HttpRefusal) -> JSON:
    """Return an error as a message, for paths that have no shape of their own."""
    return {"error": refusal.message}


def body_of(refusal: HttpRefusal, shape: ErrorShape) -> bytes:
    """Return the body of an error. Raises: what the shape raises, or TypeError."""
    return _encode(shape(refusal))
