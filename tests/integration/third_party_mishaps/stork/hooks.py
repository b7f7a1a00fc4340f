"""Plugins whose registration hooks return what they must not."""

from __future__ import annotations

from typing import Any

from clawmatrix_core import ConfigSection, StatusSection, hookimpl


class Nothing:
    """Implements no hook."""


class ReturnsNone:
    @hookimpl
    def register_status(self) -> Any: ...

    @hookimpl
    def register_control_methods(self) -> Any: ...


class ReturnsMapping:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> Any:
        return {"/stork": "fly"}


class ReturnsOne:
    @hookimpl
    def register_status(self) -> Any:
        return StatusSection("stork-one", dict)


class ReturnsOthers:
    @hookimpl
    def register_offers(self) -> Any:
        return ["eggs"]

    @hookimpl
    def register_commands(self) -> Any:
        return [print]


class HookRaises:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> Any:
        raise LookupError("no runway")


class _Plain:
    nest: str = "chimney"


class TablePlain:
    @hookimpl
    def register_config(self) -> Any:
        return [ConfigSection("stork", _Plain)]
