"""The epoch rises with each start, and is never made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.state.epoch import next_epoch, raise_epoch

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import State


def test_epochs_only_rise(state: State) -> None:
    assert [next_epoch(state) for _ in range(3)] == [1, 2, 3]
    assert raise_epoch(state, 10) == 11
    assert raise_epoch(state, 4) == 11
    assert next_epoch(state) == 12


@pytest.mark.parametrize("epoch", [-1, "1", 1.5, True])
def test_a_damaged_epoch_is_named(state: State, epoch: object) -> None:
    state.write("epoch", epoch)
    with pytest.raises(StateError, match="epoch"):
        next_epoch(state)
