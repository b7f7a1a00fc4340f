"""What tests of several rooms of the core share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.state.folder import MemoryState, State, StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "folder"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "memory":
        yield MemoryState()
        return
    with StateFolder(tmp_path / "state") as folder:
        yield folder
