"""The routes of the server, and how one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from starlette.routing import compile_path

from clawmatrix_http.refusal import HttpRefusal, Shape, shape_of_path

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

    from starlette.convertors import Convertor

    from clawmatrix_core.kernel.contributions import HttpRoute

__all__ = ["Found", "RouteTable"]


@attrs.frozen
class Found:
    """A route, or why there is none.

    Attributes:
        route: the route, None where ``refusal`` says why not.
        params: the values of the parameters in its path.
        refusal: 404 or 405.
        shape: the shape of errors on this path.
        public: true where no token is wanted.
    """

    route: HttpRoute | None
    params: dict[str, Any]
    refusal: HttpRefusal | None
    shape: Shape
    public: bool


@attrs.frozen
class _Pattern:
    regex: re.Pattern[str]
    convertors: dict[str, Convertor[Any]]
    methods: dict[str, HttpRoute]


class RouteTable:
    """Routes by path and method. A path that is taken stays with who had it first."""

    def __init__(self, routes: Iterable[HttpRoute], on_clash: Callable[[str], None]) -> None:
        self._plain: dict[str, dict[str, HttpRoute]] = {}
        self._patterns: list[_Pattern] = []
        by_path: dict[str, dict[str, HttpRoute]] = {}
        for route in routes:
            _add(by_path.setdefault(route.path, {}), route, on_clash)
        for path, methods in by_path.items():
            if "{" in path:
                regex, _, convertors = compile_path(path)
                self._patterns.append(_Pattern(regex, convertors, methods))
            else:
                self._plain[path] = methods

    def find(self, method: str, path: str) -> Found:
        """Return the route for a request."""
        methods, params = self._match(path)
        if not methods:
            refusal = HttpRefusal(404, "not_found", f"there is no {path[:200]}")
            return Found(None, {}, refusal, shape_of_path(path), False)
        route = methods.get(method)
        if route is not None:
            return Found(route, params, None, route.errors, route.public)
        allowed = ", ".join(sorted(methods))
        refusal = HttpRefusal(
            405,
            "method_not_allowed",
            f"{path[:200]} takes {allowed}",
            ((b"allow", allowed.encode()),),
        )
        return Found(None, {}, refusal, next(iter(methods.values())).errors, False)

    def _match(self, path: str) -> tuple[dict[str, HttpRoute], dict[str, Any]]:
        if (methods := self._plain.get(path)) is not None:
            return methods, {}
        for pattern in self._patterns:
            if (match := pattern.regex.match(path)) is not None:
                convertors = pattern.convertors
                params = {k: convertors[k].convert(v) for k, v in match.groupdict().items()}
                return pattern.methods, params
        return {}, {}


def _add(methods: dict[str, HttpRoute], route: HttpRoute, on_clash: Callable[[str], None]) -> None:
    names = {method.upper() for method in route.methods}
    for name in names:
        if name in methods:
            on_clash(f"{name} {route.path} is registered twice; the first one stays")
        methods.setdefault(name, route)
    if "GET" in names:
        methods.setdefault("HEAD", route)
