"""The ``http`` plugin."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from clawmatrix_core import (
    Check,
    ConfigSection,
    ControlMethod,
    HostPort,
    PluginError,
    Proxies,
    StartError,
    StateError,
    StateFile,
    StatusSection,
    hookimpl,
    register_secret,
)
from clawmatrix_http import hookspecs
from clawmatrix_http.api import HttpAccess, HttpRoute, ServesHttp
from clawmatrix_http.config import TOKEN_LENGTH, HttpConfig
from clawmatrix_http.refused import Refusals, refused_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import click
    from starlette.requests import Request
    from starlette.responses import Response

    from clawmatrix_core import JSON, Config, Metric, Node, PluginScope
    from clawmatrix_http.app import Application
    from clawmatrix_http.guard import Guard
    from clawmatrix_http.server import HttpServer

__all__ = ["HttpPlugin"]

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class HttpPlugin(ServesHttp):
    """Serves the routes of all plugins on a local address.

    Attributes:
        plugin_name: its name, and that of the owner of its hooks.
        server: the running server, None before it started.
        token: what requests must show, empty before the start.
    """

    plugin_name = "http"

    def __init__(self) -> None:
        self.server: HttpServer | None = None
        self.token = ""
        self._app: Application | None = None
        self._refusals: Refusals | None = None
        self._proxies = Proxies()

    @property
    def address(self) -> HostPort | None:
        """The address that is bound, None before the start."""
        return None if self.server is None else self.server.address

    @property
    def base_url(self) -> str:
        """What clients of the API are given. Raises: PluginError, where there is no server."""
        if self.address is None:
            raise PluginError("http", "the HTTP server is not running")
        host = _EVERYWHERE.get(self.address.host, self.address.host)
        return f"http://{HostPort(host, self.address.port)}/v1"

    @property
    def bodies_held(self) -> int:
        """Bytes that are held of the bodies of requests."""
        return 0 if self._app is None else self._app.bodies_held

    def access(self) -> HttpAccess | None:
        """See ServesHttp."""
        return None if self.server is None else HttpAccess(self.base_url, self.token)

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Return the plugin's table of the configuration."""
        return [ConfigSection("http", HttpConfig)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep the token."""
        return [StateFile("http")]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Return the plugin's commands."""
        from clawmatrix_http.commands import env  # a node that runs does without

        return [env]

    @hookimpl
    def register_http_routes(self, node: Node) -> list[HttpRoute]:
        """Return the plugin's routes."""
        return [
            HttpRoute("/healthz", ("GET",), _healthz, public=True),
            HttpRoute("/metrics", ("GET",), partial(_metrics, node)),
        ]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        """Return the plugin's methods of the control socket."""
        return [ControlMethod("http.env", call=self._env)]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Return the plugin's checks for ``clawmatrix doctor``."""
        from clawmatrix_http.checks import live_checks, resting_checks

        if node is None:
            return resting_checks(config.section(HttpConfig).listen)
        return live_checks(lambda: self.address)

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Return the plugin's section of the status."""
        return [StatusSection("http", self._status, refused_lines, "yellow")]

    @hookimpl
    def register_metrics(self, node: Node) -> list[Metric]:
        """Return the plugin's metrics."""
        return [self._refusals_of(node).metric()]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Open the port of the HTTP server. Raises: StartError, where the address is taken."""
        _require_asyncio()
        # Imported here, so that commands which serve nothing start without them.
        from clawmatrix_http.app import Application
        from clawmatrix_http.server import HttpServer
        from clawmatrix_http.table import RouteTable

        config = node.config.section(HttpConfig)
        logger = node.logger("http")
        bound = await _bind(config.listen)
        try:
            self.token = await _find_token(node, config)
            routes = node.hooks.collect(hookspecs.register_http_routes, HttpRoute)
            table = RouteTable(
                routes,
                built_in={info.name for info in node.hooks.plugins() if info.built_in},
                collided=node.hooks.collided,
                report=partial(_report, node),
                works=node.hooks.works,
            )
            guard = _make_guard(self.token, config)
            on_fault = partial(node.hooks.report, serving=True)
            refused = self._refusals_of(node).count
            self._proxies.use(config.proxies)
            self._app = Application(
                table,
                guard,
                config.max_body,
                on_fault,
                refused,
                self._proxies,
                config.max_bodies,
            )
            server = HttpServer(
                self._app,
                bound,
                drain=config.drain,
                logger=logger,
                on_refused=refused,
                now=node.clock.now,
            )
            self.server = await scope.enter(server)
            await scope.enter(self._published(node))
        except BaseException:
            bound.close()
            raise
        logger.info("listening on http://%s", self.server.address)

    @hookimpl
    async def config_changed(self, node: Node) -> None:
        """Put a changed configuration in force. Requests under way go on as they were let in."""
        if self.server is None or self._app is None:
            return
        config = node.config.section(HttpConfig)
        self.token = await _find_token(node, config)
        guard = _make_guard(self.token, config)
        self._app.use(guard, config.max_body, config.max_bodies)
        self._proxies.use(config.proxies)
        self.server.use(config.drain)

    @hookimpl
    async def node_stopping(self) -> None:
        """Take no new request. Answers under way get their time while links still work."""
        if self.server is not None:
            await self.server.drain()

    @asynccontextmanager
    async def _published(self, node: Node) -> AsyncIterator[None]:
        """Let the node have the server's URL while the server runs."""
        node.http_url = self.base_url
        try:
            yield
        finally:
            node.http_url = self.server = None

    async def _env(self, params: dict[str, JSON]) -> JSON:
        return {"baseUrl": self.base_url, "token": self.token}

    def _status(self) -> JSON:
        refused = {} if self._refusals is None else self._refusals.counts
        return {
            "listen": None if self.address is None else str(self.address),
            "refused": dict(sorted(refused.items())),
        }

    def _refusals_of(self, node: Node) -> Refusals:
        if self._refusals is None:
            self._refusals = Refusals(node.logger("http"), node.counters, node.clock.now)
        return self._refusals


def _report(node: Node, plugin: str, error: Exception) -> None:
    node.hooks.report(plugin, hookspecs.register_http_routes, error)


async def _healthz(request: Request) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse({"status": "ok"})


async def _metrics(node: Node, request: Request) -> Response:
    # Imported here: many nodes are never asked, and Prometheus' library is as large as the plugin.
    from clawmatrix_http.metrics import answer

    return answer(node.metrics())


def _require_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        why = "the HTTP server needs asyncio; on trio leave the plugin out"
        raise PluginError("http", why) from None


async def _bind(listen: HostPort) -> socket.socket:
    from clawmatrix_http.binding import bind

    try:
        return await bind(listen)
    except OSError as error:
        why = _in_words(error)
        hint = "set [http] listen to another address, or leave out the http plugin"
        message = f"http: cannot listen on {listen}: {why} ({hint})"
        raise StartError(message, exit_code=5 if _is_taken(error) else 1) from None


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


def _in_words(error: OSError) -> str:
    if _is_taken(error):
        return "address already in use"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno).lower()


def _make_guard(token: str, config: HttpConfig) -> Guard:
    from clawmatrix_http.guard import Guard

    return Guard(token, (config.listen.host, *config.allowed_hosts), config.allowed_origins)


async def _find_token(node: Node, config: HttpConfig) -> str:
    if config.token is not None:
        return config.token.reveal()
    match node.state.read("http"):
        case None:
            token = f"cmx-{node.random.getrandbits(256):064x}"
            await anyio.to_thread.run_sync(node.state.write, "http", {"token": token})
        case {"token": str(token)} if token.isascii() and len(token) >= TOKEN_LENGTH:
            pass
        case _:
            place = node.state.locate("http")
            raise StateError(f"{place}: no token in it; remove it and one is made")
    register_secret(token)
    return token
