"""Fixtures of the file tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugins.tool_proxy.files.helpers import Place, place_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return two roots that are open."""
    with place_in(tmp_path) as made:
        yield made
