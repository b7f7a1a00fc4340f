"""Plugins that cannot be made, or do not fit the hooks."""

from __future__ import annotations

import sys
from typing import Any

from clawmatrix_core import frame_types, hookimpl


class InitRaises:
    def __init__(self) -> None:
        raise RuntimeError("the nest is empty")


class InitExits:
    def __init__(self) -> None:
        sys.exit(9)


class InitWantsMore:
    def __init__(self, nest: str) -> None:
        self.nest = nest


class OddParameter:
    @hookimpl
    def frame_received(self, node: Any, frame: Any, wind: Any) -> None: ...


class HookMisspelt:
    @hookimpl
    async def link_openend(self, node: Any, link: Any) -> None: ...


class HookNotAsync:
    @hookimpl
    def node_started(self, node: Any) -> None: ...


class HookAsync:
    @hookimpl
    async def register_offers(self) -> list[Any]:
        return []


class FramesAsync:
    @hookimpl  # type: ignore[type-var]
    @frame_types("stork_req")
    async def frame_received(self, frame: Any) -> bool:
        return True


class FramesReserved:
    @hookimpl
    @frame_types("cancel", "session_later")
    def frame_received(self, frame: Any) -> bool:
        return True


class FramesOdd:
    @hookimpl
    @frame_types(7)  # type: ignore[arg-type]
    def frame_received(self, frame: Any) -> bool:
        return True
