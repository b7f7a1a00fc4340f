"""A plugin as a third party would ship it: frames, a route, a command, a table of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from clawmatrix_core import (
    ConfigSection,
    ControlMethod,
    Exchange,
    Frame,
    Node,
    PluginScope,
    StatusSection,
    frame_types,
    hookimpl,
    option,
)
from clawmatrix_http.api import HttpRoute

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from clawmatrix_core import JSON


@attrs.frozen
class BellsConfig:
    """The [bells] table."""

    sound: str = option(default="ding", doc="What a bell says.")


class BellsPlugin:
    """Rings for other nodes, for programs on this machine, and for the command line."""

    extends = ("http",)

    def __init__(self) -> None:
        self.rung = 0
        self.sound = ""

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("bells", BellsConfig)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        return [StatusSection("bells", lambda: {"rung": self.rung})]

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [HttpRoute("/bells", ("POST",), self.ring_by_http)]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        return [ControlMethod("bells.ring", call=self.ring_by_control)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        return [ring]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.scope = scope
        self.sound = node.config.section(BellsConfig).sound

    @hookimpl
    @frame_types("bells_req")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.ring_by_frame, self.scope)

    async def ring_by_frame(self, ex: Exchange) -> None:
        await ex.finish({"sound": self.ring()})

    async def ring_by_http(self, _: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"sound": self.ring()})

    async def ring_by_control(self, _: dict[str, JSON]) -> JSON:
        return self.ring()

    def ring(self) -> str:
        self.rung += 1
        return f"{self.sound} {self.rung}"


@click.command("ring")
@click.pass_context
def ring(ctx: click.Context) -> None:
    """Ring the running node's bell."""
    from clawmatrix_core.cli.control_client import call

    click.echo(call(ctx.obj.config_file(), "bells.ring"))
