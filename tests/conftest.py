"""Fixtures for all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["clawmatrix_core.testing"]


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each async test on both backends."""
    return request.param
