"""Both file systems, for tests that hold for each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

import pytest

from clawmatrix_knowledge.files.memory import MemoryFiles
from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AnyFiles: TypeAlias = MemoryFiles | RealFiles


@pytest.fixture(params=["real", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> AnyFiles:
    """Return an empty root on this machine, and one in memory."""
    if request.param == "real":
        root = tmp_path / "root"
        root.mkdir()
        return RealFiles(root)
    return MemoryFiles(clock=itertools.count(10**18, 1000).__next__)


@pytest.fixture
async def tree(files: AnyFiles) -> Tree:
    """Return a tree on each of them."""
    return await Tree.open(files, tokens())


def tokens() -> Callable[[], str]:
    """Return a function that never returns a name twice."""
    numbers = itertools.count()
    return lambda: f"{next(numbers):016x}"
