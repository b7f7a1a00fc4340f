"""The ``model-proxy`` plugin."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import (
    NOT_ALLOWED,
    Check,
    ConfigSection,
    ControlMethod,
    ExchangeFailure,
    LocalProtocolError,
    Offer,
    StateFile,
    StateWriter,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_core.spi import Bell, ByteBudget
from clawmatrix_model_proxy.api import ModelProxy
from clawmatrix_model_proxy.asking.breaker import BreakerLimits
from clawmatrix_model_proxy.asking.current import CurrentCatalog
from clawmatrix_model_proxy.asking.described import describe
from clawmatrix_model_proxy.asking.health import Health
from clawmatrix_model_proxy.asking.lists import ModelLists
from clawmatrix_model_proxy.asking.metrics import model_metrics
from clawmatrix_model_proxy.asking.names import STATE, NodeNames
from clawmatrix_model_proxy.asking.proving import Proving
from clawmatrix_model_proxy.config import TEMPLATE, ModelProxyConfig
from clawmatrix_model_proxy.config_checks import check_table
from clawmatrix_model_proxy.kept_responses import RESPONSES, KeptResponses
from clawmatrix_model_proxy.offer import make_offer
from clawmatrix_model_proxy.serving.known_apis import KnownApis
from clawmatrix_model_proxy.serving.models import (
    checked_models,
    collect_apis,
    collect_models,
)
from clawmatrix_model_proxy.wire import MODEL_LIST, REQUEST
from clawmatrix_model_proxy.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from contextlib import AbstractAsyncContextManager

    import click

    from clawmatrix_core import (
        JSON,
        Config,
        Exchange,
        Frame,
        Metric,
        Node,
        Peer,
        PluginScope,
    )
    from clawmatrix_http.api import HttpRoute
    from clawmatrix_model_proxy.api import ModelApi, ModelRequest, ModelUpstream
    from clawmatrix_model_proxy.asking.asking import Asking
    from clawmatrix_model_proxy.asking.catalog import Catalog
    from clawmatrix_model_proxy.asking.limits import AskLimits
    from clawmatrix_model_proxy.offer import Offered
    from clawmatrix_model_proxy.serving.server import ModelServer
    from clawmatrix_model_proxy.serving.upstream import Upstreams

__all__ = ["ModelProxyPlugin"]


class ModelProxyPlugin(ModelProxy):
    """Offers this node's models to the mesh, and the mesh's models to local programs."""

    plugin_name = "model-proxy"
    extends = ("http",)

    def __init__(self) -> None:
        self._server: ModelServer | None = None
        self._scope: PluginScope | None = None
        self._catalog: CurrentCatalog | None = None
        self._lists: ModelLists | None = None
        self._names: NodeNames | None = None
        self._writer: StateWriter | None = None
        self._health: Health | None = None
        self._models: tuple[ModelUpstream, ...] | None = None
        self._offer: Offered | None = None
        self._known = KnownApis()
        self._responses = KeptResponses()
        self._upstreams: Upstreams | None = None
        self._requests, self._answers = ByteBudget(0), ByteBudget(0)
        self._limits: AskLimits | None = None
        self._asking: Asking | None = None
        self._given: tuple[ModelUpstream, ...] = ()
        self._renewing = anyio.Lock()
        self._workers = Workers()
        self._changed = Bell()
        self._stops = False

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Return the plugin's table of the configuration."""
        return [ConfigSection("model-proxy", ModelProxyConfig, TEMPLATE, check_table)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Return the files that the plugin keeps in the state folder."""
        return [StateFile(STATE), StateFile(RESPONSES)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Return the plugin's commands."""
        from clawmatrix_model_proxy.commands import models
        from clawmatrix_model_proxy.demo.command import demo

        return [models, demo]

    @hookimpl
    def register_http_routes(self, node: Node) -> list[HttpRoute]:
        """Return the plugin's routes."""
        from clawmatrix_model_proxy.asking.endpoints import ModelEndpoints

        return ModelEndpoints(self._asking_of(node)).routes()

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Return the plugin's methods of the control socket."""

        async def call(params: dict[str, JSON]) -> JSON:
            return self._described(node)

        return [ControlMethod("models", call=call)]

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Return the plugin's section of the status."""
        return [StatusSection("model-proxy", partial(self._described, node))]

    @hookimpl
    def register_metrics(self, node: Node) -> list[Metric]:
        """Return the plugin's metrics."""
        return model_metrics(self._health_of(node), node.clock.now)

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Return the plugin's checks for ``clawmatrix doctor``."""
        from clawmatrix_model_proxy.checks import upstream_checks
        from clawmatrix_model_proxy.name_checks import name_checks

        told = config.section(ModelProxyConfig)
        if node is None:
            return upstream_checks(told, lambda: [model.upstream for model in told.models])
        checks = upstream_checks(told, lambda: self._served(node), lambda: collect_apis(node))
        return checks + name_checks(node.id, partial(self._current, node))

    @hookimpl
    def register_offers(self, node: Node) -> list[Offer]:
        """Return the models that this node tells others of."""
        return [
            Offer("models", lambda: self._offered(node).in_record),
            Offer("model_lists", lambda: self._offered(node).lists),
        ]

    @hookimpl(tryfirst=True)
    def register_model_apis(self) -> list[ModelApi]:
        """Return the APIs that upstreams may speak."""
        # Imported here, as in what follows: a node that only asks does without.
        from clawmatrix_model_proxy.serving.apis import BUILT_IN

        return list(BUILT_IN)

    @hookimpl(tryfirst=True)
    def register_model_upstreams(self, node: Node) -> list[ModelUpstream]:
        """Return the models that are served."""
        told = node.config.section(ModelProxyConfig).models
        return [*(model.upstream for model in told), *self._given]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Start to ask for models, and to serve them."""
        self._scope = scope
        self._writer = await scope.enter(StateWriter(node.state, on_error=scope.report))
        self._keep_names(node)  # what is stored of them is read first, or the plugin does not start
        await self._responses.start(node, scope)
        scope.start_soon(self._lists_of(node).run)
        if self._known.look(node, self._given):
            self._models = self._offer = None  # they were collected before the APIs were known
        scope.start_soon(Proving(node, lambda: self._current(node).parts).run)
        self._server = await self._make_server(node, scope, self._served(node))
        self._known.watch(node, scope, self.collect_again)

    async def _make_server(
        self, node: Node, scope: PluginScope, served: tuple[ModelUpstream, ...]
    ) -> ModelServer | None:
        """Return what answers requests for these models. Raises: StartError, for an API unknown."""
        if not served:
            return None
        from clawmatrix_model_proxy.serving.keeping import Keeping
        from clawmatrix_model_proxy.serving.server import ModelServer
        from clawmatrix_model_proxy.serving.upstream import Upstreams

        apis = self._known.apis or self._known.collect(node)
        apis.check(served)
        config = node.config.section(ModelProxyConfig)
        if self._upstreams is None:
            upstreams = Upstreams(config.budgets, node.clock.now, config.proxy_from_env)
            self._upstreams = await scope.enter(upstreams)
            scope.start_soon(upstreams.run)
        self._upstreams.use(config.budgets)
        own, upstreams = node.identity.sign_public, self._upstreams
        keeping = Keeping(self._responses.owned, apis, upstreams, own)
        shared = self._workers, self._requests, self._answers, keeping
        return ModelServer(node, config, served, apis, upstreams, *shared)

    @hookimpl
    @frame_types(REQUEST, MODEL_LIST)
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Answer a request of another node, or a question for its list of models."""
        if frame.header.type == MODEL_LIST and self._scope is not None:
            return node.accept(frame, partial(self._send_list, node), self._scope)
        if self._server is None or self._scope is None:
            if self._served(node):  # known to others already, from before a start
                return node.refuse(frame, "busy", f"{node.id} is starting")
            return node.refuse(frame, "model_not_found", NOT_ALLOWED)
        return node.accept(frame, self._server.handle, self._scope)

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Put a changed configuration in force; requests under way keep what they began with."""
        if self._scope is None or not any(key.startswith("model-proxy.") for key in changed):
            return
        await self._renew(node, self._scope)
        self._limits = None
        self._responses.use(node)
        self._health_of(node).use(_breaker_limits(node.config.section(ModelProxyConfig)))
        if "model-proxy.models" in changed:
            node.offers_changed()

    async def _renew(
        self, node: Node, scope: PluginScope, given: tuple[ModelUpstream, ...] | None = None
    ) -> None:
        """Serve what is named now, where ``given`` are the host's models. Raises: StartError."""
        async with self._renewing:  # a host and a reload may come at the same time
            before = self._given
            self._given = before if given is None else given
            try:
                served = collect_models(node, self._known.can_serve)
                self._server = await self._make_server(node, scope, served)
            except BaseException:
                self._given = before
                raise
            self._models, self._offer = served, None
            self._catalog_of(node).outdate()

    # --- programs in this process, and plugins

    async def ask(self, node: Node, request: ModelRequest) -> dict[str, JSON]:
        """See ModelProxy."""
        from clawmatrix_model_proxy.asking import in_process

        return await in_process.ask(self._asking_of(node), request)

    def stream(
        self, node: Node, request: ModelRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[dict[str, JSON]]]:
        """See ModelProxy."""
        from clawmatrix_model_proxy.asking import in_process

        if self._scope is None:
            raise LocalProtocolError(f"{node.id} has not started its model-proxy plugin")
        return in_process.stream(self._asking_of(node), request, self._scope)

    async def wait_for(self, node: Node, model: str) -> None:
        """See ModelProxy."""
        from clawmatrix_model_proxy.asking import waiting

        asking = self._asking_of(node)
        await waiting.wait_for(asking, model, self._changed, lambda: self._stops)

    async def serve(self, node: Node, models: Iterable[ModelUpstream]) -> None:
        """See ModelProxy. Before the plugin has started, its start looks at their APIs."""
        given = checked_models(models)
        if self._scope is None:
            self._given, self._models, self._offer = given, None, None
        else:
            await self._renew(node, self._scope, given)
        node.offers_changed()

    async def collect_again(self, node: Node) -> None:
        """See ModelProxy. Before the plugin has started, its start collects them."""
        if self._scope is None:
            self._models, self._offer = None, None
        else:
            await self._renew(node, self._scope)
        node.offers_changed()

    @hookimpl
    async def peer_changed(self, node: Node, peer: Peer) -> None:
        """Take over what another node offers now."""
        if peer.node_id != node.id:
            self._lists_of(node).note(peer)
        self._catalog_of(node).outdate()
        self._changed.ring()

    @hookimpl
    async def node_stopping(self) -> None:
        """Have programs that wait for a model wait no longer."""
        self._stops = True
        self._changed.ring()

    @hookimpl
    async def routes_changed(self) -> None:
        """Have programs that wait for a model look again."""
        self._changed.ring()

    async def _send_list(self, node: Node, exchange: Exchange) -> None:
        """Answer with the list of all models, of which the record names the digest."""
        asked = exchange.request.get("digest") if isinstance(exchange.request, dict) else None
        offered = self._offered(node)
        if asked != offered.digest:
            raise ExchangeFailure("not_found", "that is not the list of models any more")
        await exchange.finish(offered.text)

    @hookimpl
    async def peer_gone(self, node: Node) -> None:
        """Leave the models of a node that has gone out of the catalog."""
        self._catalog_of(node).outdate()

    def _served(self, node: Node) -> tuple[ModelUpstream, ...]:
        if self._models is None:
            self._models = collect_models(node, self._known.can_serve)
        return self._models

    def _offered(self, node: Node) -> Offered:
        if self._offer is None:
            self._offer = make_offer(self._served(node))
        return self._offer

    def _lists_of(self, node: Node) -> ModelLists:
        if self._lists is None:
            self._lists = ModelLists(node)
        return self._lists

    def _catalog_of(self, node: Node) -> CurrentCatalog:
        if self._catalog is None:
            own, keep = partial(self._offered, node), partial(self._keep_names, node)
            parts = self._lists_of(node), self._names_of(node)
            self._catalog = CurrentCatalog(node, own, *parts, keep)
        return self._catalog

    def _names_of(self, node: Node) -> NodeNames:
        if self._names is None:
            self._names = NodeNames(node)
        return self._names

    def _keep_names(self, node: Node) -> None:
        if self._writer is not None:
            with suppress(LocalProtocolError):  # the node stops
                self._writer.write_soon(STATE, self._names_of(node).to_state())

    def _described(self, node: Node) -> dict[str, JSON]:
        own = None if self._server is None else self._server.lacking
        return {"models": list(describe(node, self._current(node), self._health_of(node), own))}

    def _health_of(self, node: Node) -> Health:
        if self._health is None:
            limits = _breaker_limits(node.config.section(ModelProxyConfig))
            self._health = Health(node.clock.now, limits)
        return self._health

    def _asking_of(self, node: Node) -> Asking:
        if self._asking is None:
            from clawmatrix_model_proxy.asking.asking import Asking

            catalog, limits = partial(self._current, node), partial(self._limits_of, node)
            kept = self._responses.asked, self._responses.recollection(node)
            parts = self._health_of(node), self._workers, *kept
            self._asking = Asking(node, catalog, limits, *parts)
        return self._asking

    def _limits_of(self, node: Node) -> AskLimits:
        if self._limits is None:
            from clawmatrix_model_proxy.asking.limits import ask_limits

            self._limits = ask_limits(node.config.section(ModelProxyConfig), self._answers)
        return self._limits

    def _current(self, node: Node) -> Catalog:
        return self._catalog_of(node).get()


def _breaker_limits(config: ModelProxyConfig) -> BreakerLimits:
    return BreakerLimits(first=config.breaker_rest, longest=config.breaker_rest_most)
