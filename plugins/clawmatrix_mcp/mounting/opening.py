"""Opens the way to one server: its process or its address, and the SDK's client over it."""

from __future__ import annotations

from importlib import import_module
from logging import CRITICAL, NOTSET, getLogger
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from clawmatrix_core import register_secret
from clawmatrix_mcp.mounting.metering import ServerFailed
from clawmatrix_tool_proxy.api import guarded_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AsyncExitStack

    from clawmatrix_core import Node
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.mounting.connection import Connection
    from clawmatrix_mcp.mounting.contents import Kind
    from clawmatrix_mcp.mounting.metering import Meter
    from clawmatrix_mcp.mounting.streams import Streams

__all__ = ["load_sdk", "opened"]

_WITH_SDK: Final = ("connection", "stdio", "http")
_LOUD: Final = ("client", "mcp", "httpx2")
"""Loggers of the SDK: it logs a trace for each odd message that a server sends, and addresses."""


async def opened(
    stack: AsyncExitStack,
    node: Node,
    config: ServerConfig,
    meter: Meter,
    *,
    lost: Callable[[], None],
    changed: Callable[[Kind], None],
    noted: Callable[[str], None],
) -> Connection:
    """Open the way to a server; the stack closes it. The SDK must have been loaded.

    Raises: see ``connected`` of ``connection`` and ``over_stdio`` of ``stdio``.
    """
    from clawmatrix_mcp.mounting.connection import connected
    from clawmatrix_mcp.mounting.http import over_http
    from clawmatrix_mcp.mounting.stdio import over_stdio

    if config.url is not None:
        headers = {name: secret.reveal() for name, secret in config.headers.items()}
        for part in (part for text in headers.values() for part in text.split()):
            register_secret(part)  # of "Bearer WORD" the word alone too
        way: AbstractAsyncContextManager[Streams] = over_http(config.url, headers, meter)
    else:
        folder = config.root if config.confine or config.cwd is None else str(config.cwd)
        process = await stack.enter_async_context(
            guarded_process(
                node, config.argv, env=config.env, folder=folder, confined=config.confine
            )
        )
        way = over_stdio(process, meter, noted)
    streams = await stack.enter_async_context(way)
    return await stack.enter_async_context(connected(streams, lost, changed, noted))


async def load_sdk() -> None:
    """Import the SDK, in a thread: that takes half a second. Raises: ServerFailed."""
    await anyio.to_thread.run_sync(_import_sdk)


def _import_sdk() -> None:
    try:
        for name in _WITH_SDK:
            import_module(f"clawmatrix_mcp.mounting.{name}")
    except ImportError as error:
        words = f"the extra mcp is not installed: pip install 'clawmatrix[mcp]' ({error})"
        raise ServerFailed(words) from None
    for name in _LOUD:
        logger = getLogger(name)
        if logger.level == NOTSET:
            logger.setLevel(CRITICAL)
