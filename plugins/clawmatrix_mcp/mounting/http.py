"""A server at an address."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from clawmatrix_mcp.mounting.metering import ServerFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clawmatrix_mcp.mounting.metering import Meter
    from clawmatrix_mcp.mounting.streams import Streams

__all__ = ["over_http"]


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str], meter: Meter) -> AsyncIterator[Streams]:
    """Later."""
    raise ServerFailed("not yet")
    yield
