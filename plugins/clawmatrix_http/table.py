"""The routes of the server, and how one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_http.api import HttpRefusal
from clawmatrix_http.hints import hint, variants
from clawmatrix_http.pattern import Pattern
from clawmatrix_http.refusal import plain_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from clawmatrix_http.api import ErrorShape, HttpRoute

__all__ = ["Found", "RouteTable"]


_BELOW = 2
"""Slashes in front of the first parameter of a pattern such as ``/things/{name}``."""


class Found(msgspec.Struct, frozen=True):
    """A route, or why there is none.

    Attributes:
        route: the route, None where ``refusal`` says why not.
        params: the values of the parameters in its path.
        refusal: 404 or 405.
        shape: the shape of errors on this path.
        public: true where no token is wanted.
        plugin: the plugin whose route it is, or whose shape the refusal has.
    """

    route: HttpRoute | None
    params: dict[str, Any]
    refusal: HttpRefusal | None
    shape: ErrorShape
    public: bool
    plugin: str = ""


class _Owned(msgspec.Struct, frozen=True):
    """A route, and the plugin that registered it."""

    plugin: str
    route: HttpRoute


class _Path(msgspec.Struct, frozen=True):
    """What a path, or a pattern of paths, has for each method."""

    pattern: Pattern | None
    methods: dict[str, _Owned] = msgspec.field(default_factory=dict)

    @property
    def is_particular(self) -> bool:
        """Whether it is about more than whatever stands below one first part."""
        return self.pattern is None or self.pattern.text.partition("{")[0].count("/") > _BELOW

    def params(self, path: str) -> dict[str, Any] | None:
        """Return the parameters in a path, None where the pattern is another one's."""
        return {} if self.pattern is None else self.pattern.params(path)


class _Tier:
    """The routes of the built-in plugins, or those of all others."""

    def __init__(self) -> None:
        self._plain: dict[str, _Path] = {}
        self._patterns: dict[str, _Path] = {}
        self.mounts: dict[str, _Owned] = {}

    def make(self, text: str) -> _Path:
        """Return what a path has; a new one has nothing. Raises: for a malformed pattern."""
        paths = self._patterns if "{" in text else self._plain
        found = paths.get(text)
        if found is None:
            found = paths[text] = _Path(Pattern.compile(text) if "{" in text else None)
        return found

    def covering(self, path: str, pattern: Pattern | None) -> Iterator[_Path]:
        """Yield what fits each request that a path fits: the same path, and wider patterns."""
        if pattern is None:
            yield from (one for one, _ in self.matching(path))
            return
        for one in self._patterns.values():
            if one.pattern is not None and one.pattern.covers(pattern):
                yield one

    def mount_above(self, path: str) -> _Owned | None:
        """Return the application that has each request that a path, or a pattern, fits."""
        prefix, brace, _ = path.partition("{")
        # A parameter may go on with the last part of the path: "/m{id}" is not below "/m".
        return self.mount_of(prefix.rpartition("/")[0] if brace else prefix.rstrip("/"))

    def matching(self, path: str) -> Iterator[tuple[_Path, dict[str, Any]]]:
        """Yield what fits a path, with the parameters in it: the path itself, then patterns."""
        if (plain := self._plain.get(path)) is not None:
            yield plain, {}
        for one in self._patterns.values():
            if (params := one.params(path)) is not None:
                yield one, params

    def plain(self, works: Callable[[str], bool]) -> Iterator[tuple[str, _Owned]]:
        """Yield the paths without parameters, each with a route that it has."""
        for text, one in self._plain.items():
            owned = next((owned for owned in one.methods.values() if works(owned.plugin)), None)
            if owned is not None:
                yield text, owned

    def mount_of(self, path: str) -> _Owned | None:
        """Return the application below which a path is: the one with the longest path."""
        while path not in self.mounts:
            if not path:
                return None
            path = path.rpartition("/")[0]
        return self.mounts[path]


class RouteTable:
    """Routes by path and method. A method of a path belongs to the plugin that had it first.

    Routes of built-in plugins are looked at first, then those of others: in each case the path
    itself, then patterns in order of loading, then applications that are mounted. A path that
    lacks the method of a request leaves it to what comes behind.

    Args:
        routes: the routes, with the names of their plugins, in order of loading.
        built_in: the names of the plugins that come with ClawMatrix.
        collided: told of a route that would get no request, because another one answers all of
            them: ``("route", "GET /x", first, other)``.
        report: told of a plugin whose route has a malformed path.
        works: says whether a plugin has not been taken out; its routes go with it.
    """

    def __init__(
        self,
        routes: Iterable[tuple[str, HttpRoute]],
        *,
        built_in: Collection[str],
        collided: Callable[[str, str, str, str], None],
        report: Callable[[str, Exception], None],
        works: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._own, self._others = _Tier(), _Tier()
        self._tiers = (self._own, self._others)
        self._heads: dict[str, _Owned] = {}
        self._exact: dict[tuple[str, str], Found] = {}  # of built-in plugins, once asked for
        self._collided = collided
        self._works = works
        found = [_Owned(plugin, route) for plugin, route in routes]
        for owned in sorted(found, key=lambda one: one.plugin not in built_in):
            tier = self._own if owned.plugin in built_in else self._others
            try:
                self._add(tier, owned)
            except Exception as error:  # noqa: BLE001 - whatever Starlette says of a path
                report(owned.plugin, error)

    def _add(self, tier: _Tier, owned: _Owned) -> None:
        route = owned.route
        route.verify()
        if route.mount:
            mount = self._own.mount_above(route.path) if tier is self._others else None
            if mount is None:
                self._keep("mount", route.path, tier.mounts, route.path.rstrip("/"), owned)
            else:
                self._collided("mount", route.path, mount.plugin, owned.plugin)
        else:
            self._add_methods(tier, tier.make(route.path), owned)
        self._heads.setdefault(_head(route.path), owned)

    def _add_methods(self, tier: _Tier, path: _Path, owned: _Owned) -> None:
        text = owned.route.path
        for method in sorted({method.upper() for method in owned.route.methods}):
            hidden = self._hides(tier, path, method, text)
            if hidden is None:
                self._keep("route", f"{method} {text}", path.methods, method, owned)
            else:
                self._collided("route", f"{method} {text}", hidden, owned.plugin)

    def _keep(
        self, what: str, name: str, places: dict[str, _Owned], key: str, owned: _Owned
    ) -> None:
        first = places.setdefault(key, owned)
        if first.route is not owned.route:
            self._collided(what, name, first.plugin, owned.plugin)

    def _hides(self, tier: _Tier, path: _Path, method: str, text: str) -> str | None:
        """Return the plugin whose routes leave a path no request by a method."""
        before = list(self._own.covering(text, path.pattern)) if tier is self._others else []
        if path.pattern is not None:  # a path without parameters comes before all patterns
            before += [one for one in tier.covering(text, path.pattern) if one is not path]
        for one in before:
            if (owned := _take(one, method)) is not None:
                return owned.plugin
        mount = self._own.mount_above(text) if tier is self._others else None
        return None if mount is None else mount.plugin

    def find(self, method: str, path: str) -> Found:
        """Return the route for a request."""
        exact = self._exact.get((method, path))
        if exact is not None and self._works(exact.plugin):
            return exact
        lacking: list[_Path] = []
        for tier in self._tiers:
            for one, params in tier.matching(path):
                owned = _take(one, method)
                if owned is not None and self._works(owned.plugin):
                    found = _found(owned, params)
                    if tier is self._own and one.pattern is None:
                        self._exact[method, path] = found
                    return found
                lacking.append(one)
            mount = tier.mount_of(path)
            if mount is not None and self._works(mount.plugin):
                return _found(mount, {})
        return self._refused(path, [one for one in lacking if one.methods])

    def _refused(self, path: str, lacking: list[_Path]) -> Found:
        names = {name for one in lacking for name in _methods(one, self._works)}
        if not names:
            return self._unknown(path)
        allowed = ", ".join(sorted(names))
        refusal = HttpRefusal(
            405,
            "method_not_allowed",
            f"{path[:200]} takes {allowed}",
            ((b"allow", allowed.encode()),),
        )
        return _not_found(refusal, next(iter(lacking[0].methods.values())))

    def _unknown(self, path: str) -> Found:
        """Return the 404 of a path, with a hint, in the shape of the errors of the nearest path."""
        head = _head(path)
        meant, owned = next(self._meant(path), (None, None))
        there = {text: one for tier in self._tiers for text, one in tier.plain(self._works)}
        beside = [text for text in there if _head(text) == head] or list(there)
        above = max((text for text in beside if path.startswith(f"{text}/")), key=len, default="")
        shaping = there.get(above) or self._heads.get(head) or owned
        if meant is not None and _head(meant) == head:
            shaping = owned
        return _not_found(HttpRefusal(404, "not_found", hint(path, meant, beside)), shaping)

    def _meant(self, path: str) -> Iterator[tuple[str, _Owned]]:
        """Yield the paths that may have been meant, each with a route that it has."""
        for meant in variants(path, self._heads):
            for tier in self._tiers:
                for one, _ in tier.matching(meant):
                    if one.is_particular and _methods(one, self._works):
                        yield meant, next(iter(one.methods.values()))


def _found(owned: _Owned, params: dict[str, Any]) -> Found:
    route = owned.route
    return Found(route, params, None, route.errors or plain_error, route.public, owned.plugin)


def _not_found(refusal: HttpRefusal, shaping: _Owned | None) -> Found:
    if shaping is None:
        return Found(None, {}, refusal, plain_error, False)
    shape = shaping.route.errors or plain_error
    return Found(None, {}, refusal, shape, False, shaping.plugin)


def _take(path: _Path, method: str) -> _Owned | None:
    owned = path.methods.get(method)
    if owned is None and method == "HEAD":
        return path.methods.get("GET")
    return owned


def _methods(path: _Path, works: Callable[[str], bool]) -> Collection[str]:
    names = {name for name, owned in path.methods.items() if works(owned.plugin)}
    return {*names, "HEAD"} if "GET" in names else names


def _head(path: str) -> str:
    """Return the first part of a path: what is below it has errors of one shape."""
    return path.split("/", 2)[1] if path.startswith("/") else ""
