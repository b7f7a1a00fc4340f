"""Fixtures for commands under guards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugins.tool_proxy.exec.lab import USERS, Lab, laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=USERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab, as this user and as one who is not root."""
    with laboratory(request.param) as made:
        yield made


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab as this user only."""
    with laboratory("this user") as made:
        yield made
