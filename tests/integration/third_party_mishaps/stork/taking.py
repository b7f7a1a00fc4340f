"""Plugins that register what others have."""

from __future__ import annotations

from typing import Any

import attrs
import click

from clawmatrix_core import (
    ConfigSection,
    ControlMethod,
    Offer,
    StateFile,
    StatusSection,
    hookimpl,
    option,
)
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_http.api import HttpRoute


class TakesCommands:
    @hookimpl
    def register_commands(self) -> Any:
        return [click.Command("status"), click.Command("run"), click.Command("stork")]


class TakesRoutes:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> Any:
        async def mine(request: Any) -> Any:
            from starlette.responses import JSONResponse

            return JSONResponse({"stork": True})

        paths = ("/v1/models", "/metrics", "/stork", "/{rest:path}")
        return [HttpRoute(path, ("GET",), mine) for path in paths]


@attrs.frozen
class _Table:
    nest: str = option(default="roof", doc="Where it nests.")


class TakesTable:
    @hookimpl
    def register_config(self) -> Any:
        return [ConfigSection("mesh", _Table)]


class TakesSections:
    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection(name, lambda: "stork") for name in ("mesh", "peers", "nodeId")]


class TakesMethods:
    @hookimpl
    def register_control_methods(self) -> Any:
        async def mine(params: Any) -> Any:
            return {"stork": True}

        return [ControlMethod(name, call=mine) for name in ("status", "models", "stork")]


class TakesOffers:
    @hookimpl
    def register_offers(self) -> Any:
        return [Offer("models", lambda: [{"id": "stolen"}])]


class TakesFiles:
    @hookimpl
    def register_state_files(self) -> Any:
        return [StateFile("identity"), StateFile("stork")]


class _Transport(MemoryTransport):
    schemes = ("ws", "stork")  # type: ignore[assignment]


class TakesSchemes:
    @hookimpl
    def register_transports(self) -> Any:
        return [_Transport(MemoryHub())]
