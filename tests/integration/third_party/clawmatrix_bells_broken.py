"""Plugins that are broken, each in a way of its own."""

from __future__ import annotations

import time
from typing import Any

import anyio

from clawmatrix_core import Frame, frame_types, hookimpl

BLOCKED = 1.6
"""Seconds of silence that a node's watchdog, whose limit is 1 s, cannot overlook."""


class NoFit:
    """Asks for a parameter that the hook does not have."""

    @hookimpl
    async def start_plugin(self, node: Any, reactor: Any) -> None: ...


class NoStart:
    """Cannot start, and would not be missed."""

    @hookimpl
    async def start_plugin(self) -> None:
        raise RuntimeError("the bell is cracked")


class BadFrame:
    """Looks at every frame first, and stumbles over it."""

    @hookimpl(tryfirst=True)
    def frame_received(self, frame: Frame) -> bool | None:
        raise KeyError(frame.header.type)


class Hangs:
    """Waits in an event hook for what never comes."""

    @hookimpl
    async def peer_changed(self) -> None:
        await anyio.sleep_forever()


class Blocks:
    """Holds up the event loop."""

    @hookimpl
    @frame_types("block_req")
    def frame_received(self) -> bool | None:
        time.sleep(BLOCKED)
        return None
