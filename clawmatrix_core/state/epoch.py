"""The epoch: a number that is higher at each start of the node than at any start before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import State

__all__ = ["next_epoch", "raise_epoch"]


def next_epoch(state: State) -> int:
    """Return a number higher than in any run before. Call it once a start."""
    return raise_epoch(state, _read_epoch(state))


def raise_epoch(state: State, beyond: int) -> int:
    """Return an epoch above ``beyond`` and not below the one kept; keep it."""
    epoch = _read_epoch(state)
    if epoch <= beyond:
        epoch = beyond + 1
        state.write("epoch", epoch)
    return epoch


def _read_epoch(state: State) -> int:
    epoch = state.read("epoch")
    if epoch is None:
        return 0
    if type(epoch) is not int or epoch < 0:
        raise StateError(f"{state.locate('epoch')}: a number from 0 is expected; {DAMAGED}")
    return epoch
