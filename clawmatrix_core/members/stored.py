"""A table in the state, read as what it has to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import State

__all__ = ["read_as"]

_Stored = TypeVar("_Stored")


def read_as(state: State, file: str, kind: type[_Stored]) -> _Stored:
    """Return what a file has, an empty table where there is none. Raises: StateError."""
    stored = state.read(file)
    try:
        return msgspec.convert({} if stored is None else stored, kind)
    except msgspec.ValidationError as error:
        raise StateError(f"{state.locate(file)} is damaged: {error}; {DAMAGED}") from None
