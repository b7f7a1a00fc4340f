"""Plugins whose values go wrong as the node uses them."""

from __future__ import annotations

import sys
import time
from typing import Any

from clawmatrix_core import (
    Check,
    ControlMethod,
    Finding,
    Metric,
    Offer,
    StatusSection,
    hookimpl,
)
from clawmatrix_http.api import HttpRoute
from clawmatrix_model_proxy.api import ModelApi, ModelUpstream


def _raise(error: BaseException) -> Any:
    raise error


def _block(value: Any, seconds: float = 1.8) -> Any:
    time.sleep(seconds)
    return value


class StatusRaises:
    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection("status-raises", lambda: _raise(ZeroDivisionError("no height")))]


class StatusOdd:
    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection("status-odd", lambda: {"nest": object()})]


class StatusExits:
    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection("status-exits", lambda: sys.exit(1))]


class StatusBlocks:
    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection("status-blocks", lambda: _block("slow"))]


class OfferRaises:
    @hookimpl
    def register_offers(self) -> Any:
        return [Offer("offer-raises", lambda: _raise(LookupError("no eggs")))]


class OfferOdd:
    @hookimpl
    def register_offers(self) -> Any:
        return [Offer("offer-odd", lambda: [{"id": object()}])]


class OfferHuge:
    @hookimpl
    def register_offers(self) -> Any:
        return [Offer("offer-huge", lambda: [{"id": "e" * 500_000}])]


class OfferBlocks:
    @hookimpl
    def register_offers(self) -> Any:
        return [Offer("offer-blocks", lambda: _block([], 2.5))]


class MetricRaises:
    @hookimpl
    def register_metrics(self) -> Any:
        return [Metric("stork_eggs", "gauge", "Eggs.", lambda: _raise(LookupError("no eggs")))]


class ChecksOdd:
    @hookimpl
    def register_checks(self) -> Any:
        async def raises() -> Any:
            raise KeyError("wing")

        async def none() -> Any:
            return None

        async def status() -> Any:
            return [Finding("stork.status", "dreadful", "x")]  # type: ignore[arg-type]

        async def text() -> Any:
            return ["fine"]

        checks = {"raises": raises, "none": none, "status": status, "text": text}
        return [Check(f"stork.{name}", run) for name, run in checks.items()]


class _Codec:
    name = "stork"


class CodecEmpty:
    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> Any:
        return [ModelApi("stork:letters", {"stork": "letters"}, _Codec())]  # type: ignore[arg-type]


class ApiNames:
    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> Any:
        return [ModelApi("openai-completions", {"chat": "chat"}), ModelApi("x", {"chat": "chat"})]


class ModelsOdd:
    extends = ("model-proxy",)

    @hookimpl
    def register_model_upstreams(self) -> Any:
        return [ModelUpstream("stork", "http://127.0.0.1:1/v1", api="stork:nowhere")]


class RoutesOdd:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> Any:
        async def raises(request: Any) -> Any:
            raise RuntimeError("lost the letter")

        async def mapping(request: Any) -> Any:
            return {"letter": 1}

        def plain(request: Any) -> Any:
            return 1

        async def exits(request: Any) -> Any:
            sys.exit(1)

        get = ("GET",)
        return [
            HttpRoute("/stork/raises", get, raises),
            HttpRoute("/stork/mapping", get, mapping),
            HttpRoute("/stork/plain", get, plain),
            HttpRoute("/stork/exits", get, exits),
            HttpRoute("stork/slash", get, raises),
        ]


class RouteBlocks:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> Any:
        async def slow(request: Any) -> Any:
            from starlette.responses import JSONResponse

            return JSONResponse(_block({"ok": True}))

        return [HttpRoute("/stork/blocks", ("GET",), slow)]


class MethodsOdd:
    @hookimpl
    def register_control_methods(self) -> Any:
        async def odd(params: Any) -> Any:
            return object()

        async def raises(params: Any) -> Any:
            raise KeyError("wing")

        async def exits(params: Any) -> Any:
            sys.exit(1)

        return [
            ControlMethod("stork.odd", call=odd),
            ControlMethod("stork.raises", call=raises),
            ControlMethod("stork.exits", call=exits),
            ControlMethod("stork.neither"),
        ]


class MethodBlocks:
    @hookimpl
    def register_control_methods(self) -> Any:
        async def slow(params: Any) -> Any:
            return _block("slow")

        return [ControlMethod("stork.blocks", call=slow)]
