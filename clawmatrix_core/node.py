"""The node: the core's one object, which a host embeds and plugins are handed."""

from __future__ import annotations

import os
import random
from collections import Counter, deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.clock import Clock
from clawmatrix_core.directory import Accepted, Directory, NodeRecord, SignedRecord
from clawmatrix_core.errors import StartError
from clawmatrix_core.exchanges import ExchangeLimits, Exchanges
from clawmatrix_core.frames import Frame, Lane, NodeId
from clawmatrix_core.hooks import Fault
from clawmatrix_core.identity import psk_from_secret
from clawmatrix_core.loading import PluginInfo, PluginRegistry
from clawmatrix_core.log import RateLimitedLogger, component_logger
from clawmatrix_core.redaction import register_secret
from clawmatrix_core.routes import PathStatus, Route, Transit
from clawmatrix_core.scope import PluginScope
from clawmatrix_core.sessions import Sessions
from clawmatrix_core.state import State, StateFolder, load_identity, next_epoch
from clawmatrix_core.switch import Switch
from clawmatrix_core.trust import TrustStore
from clawmatrix_core.watchdog import LoopWatchdog

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskStatus

    from clawmatrix_core.config import Config
    from clawmatrix_core.exchange import Exchange
    from clawmatrix_core.identity import Identity
    from clawmatrix_core.link import Link
    from clawmatrix_core.plugin_types import ControlMethod, HttpRoute, Offer, StatusSection
    from clawmatrix_core.transport import Transport

__all__ = ["Node"]

P = ParamSpec("P")

ROUTES_DELAY = 0.02
"""Seconds in which changes of links and records are gathered before routes are computed."""
START_LIMIT = 30.0
"""Seconds a plugin may take to start."""


class Node:
    """One member of a mesh: ``async with Node(config) as node: ...``.

    It installs no signal handler, configures no logging and uses no globals, so that several
    run in one process.

    Attributes:
        id: its name.
        config: what it was told.
        clock: its clocks.
        random: its randomness, but for keys.
        plugins: its plugins and their states.
        counters: what was refused, by reason.
        transports: by address scheme.
        instance: a word for this run of it; another one after each start.
        epoch: counts its starts.
        started_at: wall-clock seconds of this start.
        identity, trust, directory, sessions, exchanges: its parts, once entered.
    """

    identity: Identity
    trust: TrustStore
    directory: Directory
    sessions: Sessions
    exchanges: Exchanges
    state: State

    def __init__(
        self,
        config: Config,
        *,
        plugins: Sequence[str | object] | None = None,
        state: State | None = None,
        identity: Identity | None = None,
        clock: Clock | None = None,
        random_source: random.Random | None = None,
        logger: logging.Logger | None = None,
        limits: ExchangeLimits | None = None,
        watchdog: bool = True,
    ) -> None:
        """Make a node; it starts when entered.

        Args:
            config: what it is told. Its plugin tables are read on entering.
            plugins: names and plugin objects; default is what the configuration names.
            state: where it keeps its identity; default is the configured folder.
            identity: its keys; default is those in its state, made on first start.
            clock, random_source: for tests.
            logger: the host's logger; default is ``clawmatrix``.
            limits: times and sizes of exchanges.
            watchdog: whether a thread watches for plugins that block the loop.
        """
        self.config = config
        self.id: NodeId = config.node_id
        self.clock = clock or Clock()
        self.random = random_source or random.SystemRandom()
        self.counters: Counter[str] = Counter()
        self.transports: dict[str, Transport] = {}
        self.instance = f"{self.random.getrandbits(64):016x}"
        self.epoch = 0
        self.started_at = 0.0
        self._chosen = plugins if plugins is not None else config.plugins
        self._given_state = state
        self._given_identity = identity
        self._logger = logger
        self._limits = limits
        self._log = self.logger("node")
        self._watchdog = LoopWatchdog(self._on_stall) if watchdog else None
        self.plugins = PluginRegistry(on_enter=self._on_enter)
        self.hooks = self.plugins.hooks
        self._scopes: dict[str, PluginScope] = {}
        self._events: deque[Callable[[], Awaitable[None]]] = deque()
        self._event_waiting = anyio.Event()
        self._routes_dirty = anyio.Event()
        self._stop = anyio.Event()
        self._starting: anyio.CancelScope | None = None
        self._http_routes: list[HttpRoute] = []
        self._control_methods: list[ControlMethod] = []
        self._status_sections: list[StatusSection] = []
        self._offers: list[Offer] = []

    def __repr__(self) -> str:
        return f"<Node {self.id} epoch {self.epoch}, {len(self.switch.links)} links>"

    # --- life

    async def __aenter__(self) -> Self:
        self._lifetime = self._live()
        await self._lifetime.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._lifetime.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        # A task of its own starts and stops everything, so that the host may leave the node
        # under whatever cancel scope it likes, and gets errors without a group around them.
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            try:
                failure = await group.start(self._run)
                if failure is None:
                    yield
            except Exception as error:  # noqa: BLE001 - raised again below, not in a group
                failure = error
            finally:
                self._stop.set()
                if self._starting is not None:
                    self._starting.cancel()
        if failure is not None:
            raise failure

    async def _run(self, *, task_status: TaskStatus[Exception | None]) -> None:
        # Shielded from end to end: what was opened is closed in order, whoever cancels.
        with anyio.CancelScope(shield=True):
            async with AsyncExitStack() as self._stack:
                try:
                    await self._start()
                except Exception as error:  # noqa: BLE001 - raised in the host's task
                    await self._stack.aclose()
                    task_status.started(error)
                    return
                task_status.started(None)
                await self._stop.wait()
                self.exchanges.shut_down()
                await self.hooks.notify(hookspecs.node_stopping, node=self)

    async def _start(self) -> None:
        self._load_plugins()
        self._open_state()
        self._build()
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        self._stack.callback(self.exchanges.abandon)
        for task in (self.exchanges.run, self._run_events, self._run_routes, self._run_ticks):
            tasks.start_soon(task)
        if self._watchdog is not None:
            self._stack.enter_context(self._watchdog)
            tasks.start_soon(self._watchdog.run)
        self._collect()
        for info in self.plugins.active():
            if not self._stop.is_set():
                await self._start_plugin(info)
        await self.hooks.notify(hookspecs.node_started, node=self)

    def _load_plugins(self) -> None:
        self.plugins.load(self._chosen, self.config.disable)
        self.config.bind(
            self.plugins.config_sections(), known=[info.name for info in self.plugins.list()]
        )
        for secret in self.config.secrets:
            register_secret(secret.reveal())
        self.plugins.when_failed(self._on_plugin_failed)

    def _open_state(self) -> None:
        if self._given_state is not None:
            self.state = self._given_state
        else:
            self.state = self._stack.enter_context(StateFolder(self.config.state_dir))
        self.identity = self._given_identity or load_identity(self.state)
        self.epoch = next_epoch(self.state)
        self.started_at = self.clock.wall()
        self.trust = TrustStore(self.state)
        self._stack.callback(self.trust.flush)

    def _build(self) -> None:
        now, wall = self.clock.now, self.clock.wall
        self.directory = Directory(self.id, self.identity, self.trust, now=now, wall=wall)
        self.switch = Switch(
            own=self.id,
            hooks=_FrameHooks(self),
            counters=self.counters,
            now=now,
            wall=wall,
            log=RateLimitedLogger(self.logger("switch"), clock=now),
        )
        self.sessions = self.switch.sessions = Sessions(
            own=self.id,
            instance=self.instance,
            identity=self.identity,
            psk=psk_from_secret(self.config.secret.reveal()),
            directory=self.directory,
            now=now,
            new_id=self.new_id,
            send=self.switch.send_opening,
            ready=self._on_session,
            count=self._count,
        )
        self.exchanges = self.switch.exchanges = Exchanges(
            transmit=self.switch.transmit,
            new_id=self.new_id,
            instance_of=self._instance_of,
            when_space=self._when_space,
            now=now,
            count=self._count,
            limits=self._limits,
        )

    def _collect(self) -> None:
        collect = self.hooks.collect
        for _, transport in collect(hookspecs.register_transports, node=self):
            for scheme in transport.schemes:
                self.transports.setdefault(scheme, transport)
        self._http_routes = [x for _, x in collect(hookspecs.register_http_routes, node=self)]
        self._control_methods = [
            x for _, x in collect(hookspecs.register_control_methods, node=self)
        ]
        self._status_sections = [x for _, x in collect(hookspecs.register_status, node=self)]
        self._offers = [x for _, x in collect(hookspecs.register_offers, node=self)]

    async def _start_plugin(self, info: PluginInfo) -> None:
        start = getattr(info.plugin, "start_plugin", None)
        if "start_plugin" not in info.hooks or start is None:
            return
        scope = PluginScope(info.name, self.plugins.on_fault)
        await self._stack.enter_async_context(scope)
        self._scopes[info.name] = scope
        [impl] = [
            impl
            for impl in self.plugins.manager.hook.start_plugin.get_hookimpls()
            if impl.plugin_name == info.name
        ]
        arguments = {"node": self, "scope": scope}
        call: Callable[..., Awaitable[None]] = impl.function  # type: ignore[assignment]
        self._on_enter(info.name)
        try:
            with anyio.fail_after(START_LIMIT) as self._starting:
                await call(*[arguments[name] for name in impl.argnames])
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin that cannot start is out
            late = isinstance(error, TimeoutError) and not str(error)
            what = TimeoutError(f"took over {START_LIMIT:g} s") if late else error
            self.plugins.on_fault(Fault(info.name, "start_plugin", what))
            self.plugins.fail(info, f"did not start: {type(error).__name__}: {what}")
        finally:
            self._starting = None
            self._on_enter(None)

    def stop(self) -> None:
        """Ask whoever waits in ``wait_stop`` to leave the node."""
        self._stop.set()

    async def wait_stop(self) -> None:
        """Return when ``stop`` was called."""
        await self._stop.wait()

    # --- talking

    def exchange(
        self,
        to: NodeId | str,
        type_: str,
        payload: Any = None,
        *,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange:
        """Open an exchange with a node: ``async with node.exchange(...) as ex``.

        ``complete`` says that the payload is the whole request; else ``send`` and ``finish``
        follow. ``deadline`` is in seconds and travels with the request.
        """
        return self.exchanges.open(
            NodeId(to), type_, payload, complete=complete, deadline=deadline, lane=lane
        )

    def accept(
        self, frame: Frame, handler: Callable[[Exchange], Awaitable[None]], scope: PluginScope
    ) -> bool:
        """Answer an opening frame with a handler; for ``frame_received`` hooks to return."""
        return self.exchanges.accept(frame, handler, scope)

    def refuse(self, frame: Frame, code: str, message: str) -> bool:
        """Answer an opening frame with an error; for ``frame_received`` hooks to return."""
        self.exchanges.refuse(frame, code, message)
        return True

    def new_id(self) -> str:
        """Return a fresh word for an exchange."""
        return f"{self.random.getrandbits(96):024x}"

    # --- links, records, routes

    @property
    def links(self) -> Mapping[NodeId, Link]:
        """The open link to each neighbour."""
        return self.switch.links

    @property
    def routes(self) -> Mapping[NodeId, Route]:
        """The next hop to each node that can be reached, neighbours among them."""
        return self.switch.routes

    @property
    def heard(self) -> Mapping[NodeId, float]:
        """The clock's time at which each node was last heard."""
        return self.switch.heard

    def reachable(self, node_id: NodeId) -> bool:
        """Say whether there is a way to a node; to itself there always is."""
        return node_id == self.id or self.switch.next_link(node_id) is not None

    async def run_link(self, link: Link) -> str:
        """Carry frames over a proved link until it closes; return why it did.

        The caller has seen to it that there is no other link to that neighbour.
        """
        self.switch.links[link.peer] = link
        self.sessions.forget(link.peer, link.instance)
        self.sessions.add_link(link.session)
        self._links_changed()
        self.emit(hookspecs.link_opened, node=self, link=link)
        self.exchanges.flush(link.peer, again=True)
        try:
            return await link.run(self.switch.on_message)
        finally:
            if self.switch.links.get(link.peer) is link:
                del self.switch.links[link.peer]
            self.sessions.remove_link(link.session)
            self._links_changed()
            reason = link.closing or "closed"
            self.emit(hookspecs.link_closed, node=self, link=link, reason=reason)

    def accept_record(self, signed: SignedRecord, *, proven: bool = False) -> Accepted:
        """Take a member's record; see ``Directory.accept``. Raises: RemoteProtocolError."""
        outcome, record = self.directory.accept(signed, proven=proven)
        if outcome is Accepted.NEWER:
            self._record_changed(record)
        return outcome

    def put_own_record(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self.directory.put_own(record, signed)
        self._record_changed(record)

    def _record_changed(self, record: NodeRecord) -> None:
        if record.node_id != self.id:
            self.sessions.forget(record.node_id, record.instance)
            self.exchanges.lose(record.node_id, record.instance, "restarted")
        self._links_changed()
        peer = self.directory.get(record.node_id)
        if peer is not None:
            self.emit(hookspecs.peer_changed, node=self, peer=peer)

    def offers(self) -> dict[str, list[dict[str, Any]]]:
        """Return what this node offers to every member, by kind."""
        found: dict[str, list[dict[str, Any]]] = {}
        for offer in self._offers:
            found.setdefault(offer.kind, []).extend(offer.read())
        return found

    def offers_changed(self) -> None:
        """Say that an offer reads differently now; the record is written again soon."""
        self.emit(hookspecs.offers_changed, node=self)

    async def path_status(self, peer: NodeId, *, probe: bool = False) -> PathStatus:
        """Return how a node is reached; with ``probe``, after making sure."""
        found = await self.hooks.first(hookspecs.path_status, node=self, peer=peer, probe=probe)
        if found is not None:
            return found
        link = self.links.get(peer)
        if link is not None:
            return PathStatus("direct", latency_ms=link.rtt, last_seen=self.clock.wall())
        return PathStatus("unreachable", reason="no link")

    # --- what plugins registered

    def http_routes(self) -> Sequence[HttpRoute]:
        """Return the routes that plugins added to the local HTTP server."""
        return self._http_routes

    def control_methods(self) -> Sequence[ControlMethod]:
        """Return the methods that plugins added to the control socket."""
        return self._control_methods

    def status_sections(self) -> Sequence[StatusSection]:
        """Return the sections that plugins added to the status."""
        return self._status_sections

    def logger(self, component: str) -> logging.Logger:
        """Return the logger of a component, below the host's where it gave one."""
        return component_logger(self._logger, component)

    def emit(
        self, spec: Callable[P, Awaitable[None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Have an event hook called soon, in order with the others."""
        self._events.append(lambda: self.hooks.notify(spec, *args, **kwargs))
        self._event_waiting.set()

    # --- inside

    def _links_changed(self) -> None:
        self._routes_dirty.set()

    async def _run_events(self) -> None:
        while True:
            while self._events:
                await self._events.popleft()()
            self._event_waiting = anyio.Event()
            await self._event_waiting.wait()

    async def _run_routes(self) -> None:
        while True:
            await self._routes_dirty.wait()
            await anyio.sleep(ROUTES_DELAY)
            self._routes_dirty = anyio.Event()
            self.compute_routes()

    def compute_routes(self) -> None:
        """Compute the routes now, and tell whoever waits for one."""
        computed = self.hooks.ask(hookspecs.compute_routes, node=self) or {}
        before = self.switch.routes
        self.switch.routes = computed
        changed = frozenset(
            name
            for name in {*before, *computed}
            if _hop(before.get(name)) != _hop(computed.get(name))
        )
        now = self.clock.now()
        for exchange in self.exchanges.live:
            if not self.reachable(exchange.peer):
                exchange.unroutable(now)
            elif exchange.peer in changed:
                exchange.resume(again=True)
        if changed:
            self.emit(hookspecs.routes_changed, node=self, changed=changed)

    async def _run_ticks(self) -> None:
        while True:
            await anyio.sleep(1.0)
            self.sessions.tick()
            for link in tuple(self.links.values()):
                if link.stalled_for() > link.drain_limit:
                    self._count("stalled")
                    link.close("the other end takes nothing", 4003)

    def _on_session(self, peer: NodeId, instance: str) -> None:
        self.exchanges.lose(peer, instance, "restarted")
        self.exchanges.flush(peer)

    def _instance_of(self, peer: NodeId) -> str | None:
        return self.instance if peer == self.id else self.sessions.instance_of(peer)

    def _when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        link = self.switch.next_link(peer)
        if link is not None:
            link.when_space(lane, call)

    def _count(self, reason: str) -> None:
        self.counters[reason] += 1

    def _on_plugin_failed(self, info: PluginInfo) -> None:
        scope = self._scopes.get(info.name)
        if scope is not None:
            scope.cancel()

    def _on_enter(self, plugin: str | None) -> None:
        if self._watchdog is not None:
            self._watchdog.current = plugin or ""

    def _on_stall(self, name: str, seconds: float, stack: str) -> None:
        culprit = name if self.plugins.get(name) else self._plugin_in(stack)
        self._log.error("%s blocks the loop for %.1f s\n%s", culprit or name, seconds, stack)
        if culprit is not None:
            error = TimeoutError(f"blocked the event loop for over {seconds:.1f} s")
            self.plugins.on_fault(Fault(culprit, "event loop", error))

    def _plugin_in(self, stack: str) -> str | None:
        for info in self.plugins.active():
            module = type(info.plugin).__module__.replace(".", os.sep)
            if f"{os.sep}{module}" in stack:
                return info.name
        return None


class _FrameHooks:
    """The node's frame hooks, with the node filled in."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._dispatcher = node.hooks

    def frame(self, frame: Frame) -> bool:
        return self._dispatcher.frame(self._node, frame)

    def transit(self, transit: Transit) -> bool:
        return self._dispatcher.transit(self._node, transit)


def _hop(route: Route | None) -> NodeId | None:
    return None if route is None else route.next_hop
