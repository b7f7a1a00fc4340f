"""Plugins that go wrong as they start, run and stop."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import anyio

from clawmatrix_core import Node, PluginScope, StartError, hookimpl


class StartRaises:
    @hookimpl
    async def start_plugin(self) -> None:
        raise ValueError("no wind")


class StartRefuses:
    @hookimpl
    async def start_plugin(self) -> None:
        raise StartError("name a chimney in [stork]")


class StartHangs:
    @hookimpl
    async def start_plugin(self) -> None:
        await anyio.sleep_forever()


class StartBlocks:
    @hookimpl
    async def start_plugin(self) -> None:
        time.sleep(2.5)  # noqa: ASYNC251 - this is the mistake


class TaskRaises:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.fly)

    async def fly(self) -> None:
        raise LookupError("no thermals")


class _Gust(BaseException):
    """What is no Exception, as some libraries have it."""


class TaskOdd:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.fly)

    async def fly(self) -> None:
        raise _Gust("blown away")


class LoopBlocks:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.fly)

    async def fly(self) -> None:
        while True:
            await anyio.sleep(0.1)
            time.sleep(1.8)  # noqa: ASYNC251 - this is the mistake
            await anyio.sleep(2)


class LoopBlocksBelow:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.fly)

    async def fly(self) -> None:
        while True:  # one of these comes apart from what blocks elsewhere
            await anyio.sleep(2.5)
            await _flap()


async def _flap() -> None:
    time.sleep(1.8)  # noqa: ASYNC251 - this is the mistake


class Cancelled:
    @hookimpl
    async def node_started(self) -> None:
        raise asyncio.CancelledError


class ExitsStarted:
    @hookimpl
    async def node_started(self) -> None:
        sys.exit(3)


class ExitsRegistering:
    @hookimpl
    def register_status(self) -> Any:
        sys.exit(3)


class Interrupts:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.fly)

    async def fly(self) -> None:
        await anyio.sleep(0.2)
        raise KeyboardInterrupt


class StopSwallows:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.stay)

    async def stay(self) -> None:
        while True:
            try:
                await anyio.sleep(0.5)
            except BaseException:  # noqa: BLE001 - this is the mistake
                continue


class StopShielded:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        scope.start_soon(self.stay)

    async def stay(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()


class StopWaits:
    @hookimpl
    async def node_stopping(self, node: Node) -> None:
        await anyio.sleep_forever()
