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

    from clawmatrix_http.api import HttpRoute

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
    """Routes by path and method. A method of a path belongs to the plugin that had it first.

    Args:
        routes: the routes, with the names of their plugins, in order of loading.
        collided: told of a method that two plugins have: ``("route", "GET /x", first, other)``.
    """

    def __init__(
        self,
        routes: Iterable[tuple[str, HttpRoute]],
        collided: Callable[[str, str, str, str], None],
    ) -> None:
        self._plain: dict[str, dict[str, HttpRoute]] = {}
        self._patterns: list[_Pattern] = []
        by_path: dict[str, dict[str, HttpRoute]] = {}
        owners: dict[tuple[str, str], str] = {}
        for plugin, route in routes:
            for method in _methods(route):
                first = owners.setdefault((method, route.path), plugin)
                if by_path.setdefault(route.path, {}).setdefault(method, route) is not route:
                    collided("route", f"{method} {route.path}", first, plugin)
        for methods in by_path.values():
            if "GET" in methods:
                methods.setdefault("HEAD", methods["GET"])
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


def _methods(route: HttpRoute) -> list[str]:
    return sorted({method.upper() for method in route.methods})
