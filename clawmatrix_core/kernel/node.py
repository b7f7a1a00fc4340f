"""The node: the core's one object, which a host embeds and plugins are handed."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.as_list import as_list
from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.entered import once_entered
from clawmatrix_core.base.errors import LocalProtocolError, PluginError
from clawmatrix_core.base.local import Local
from clawmatrix_core.base.log import RateLimitedLogger, component_logger
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.exchange.asking import Asker
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.kernel.events import Events
from clawmatrix_core.kernel.gate import Gate
from clawmatrix_core.kernel.interior import Interior
from clawmatrix_core.kernel.life import Lifetime, Starter
from clawmatrix_core.kernel.mistakes import check_core
from clawmatrix_core.kernel.node_hooks import NodeHooks
from clawmatrix_core.kernel.registered import Contributed, Registered
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.kernel.reloading import Reloader
from clawmatrix_core.kernel.stalls import Stalls
from clawmatrix_core.loading.contributions import Check
from clawmatrix_core.loading.sole_use import sole_use
from clawmatrix_core.members.standing import open_standing
from clawmatrix_core.sessions.keyring import Keyring
from clawmatrix_core.state.files import CORE_FILES
from clawmatrix_core.state.folder import State, StateFolder
from clawmatrix_core.wire.routes import PathStatus
from clawmatrix_core.wire.ways import Ways

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AsyncExitStack
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.base.faults import Fault
    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.exchange.exchanges import Exchanges
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.kernel.stack import Stack
    from clawmatrix_core.kernel.switch import Switch
    from clawmatrix_core.loading.plugin_info import PluginInfo
    from clawmatrix_core.members.directory import Accepted, Directory
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.record import NodeRecord, SignedRecord
    from clawmatrix_core.members.revocations import Revocations
    from clawmatrix_core.members.trust import TrustStore
    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.sessions.sessions import Sessions
    from clawmatrix_core.wire.frames import Frame
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.routes import Route

__all__ = ["Node"]


class Node(Asker, Contributed, Gate):
    """One member of a mesh: ``async with Node(config) as node: ...``, once.

    It installs no signal handler, configures no logging and uses no globals, so that several
    run in one process.

    Attributes:
        id: its name.
        config: what it was told, with what was reloaded since.
        clock: its clocks.
        random: its randomness, but for keys.
        plugins: its plugins and their states.
        hooks: calls hooks, those of the core and those that a plugin specifies.
        counters: what was refused, by reason.
        epoch: counts its starts; 0 before it has started.
        succession: how it came to its key from earlier ones, for its record.
        instance: a word for this run of it; another one after each start.
        started_at: wall-clock seconds of this start.
        relays: whether it passes on frames for others, for its record; set by a plugin.
        http_url: the base URL of its HTTP server, with ``/v1``; set by a plugin, None without one.
        keyring: the secrets of the mesh that are in force; ``put`` others while it runs.
        state, identity, trust, revocations: what it keeps between runs, once entered.
        directory: the newest record of each member, once entered.
        stack, sessions, switch, exchanges: what carries its frames, once entered. Of the
            parts, plugins use what ``docs/spi.md`` lists.
    """

    state: State = once_entered()
    identity: Identity = once_entered()
    trust: TrustStore = once_entered()
    revocations: Revocations = once_entered()
    directory: Directory = once_entered()
    stack: Stack = once_entered()
    sessions: Sessions = once_entered()
    switch: Switch = once_entered()
    exchanges: Exchanges = once_entered()
    _interior: Interior = once_entered()

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
        rekeying: Rekeying | None = None,
        watchdog: bool = True,
    ) -> None:
        """Make a node; it starts when entered.

        Args:
            config: what it is told. Its plugin tables are read on entering.
            plugins: names, objects and classes; default is what the configuration names.
            state: where it keeps its identity; default is the configured folder.
            identity: its keys; default is those in its state, made on first start.
            clock, random_source: for tests.
            logger: the host's logger; default is ``clawmatrix``.
            limits: times and sizes of exchanges.
            rekeying: for how long, and for how much, keys are good.
            watchdog: whether a thread watches for plugins that block the loop.

        Raises: ConfigError, where a key of the core has a mistake; it has all that there are.
            TypeError, where ``plugins`` is a text or a mapping, not a list.
        """
        self._chosen = config.plugins if plugins is None else as_list(plugins, "plugins is")
        check_core(config, self._chosen)
        self.config = config
        self.id: NodeId = config.node_id
        self.keyring = Keyring(config.secret, config.previous_secrets)
        self.clock = clock or Clock()
        self.random = random_source or random.SystemRandom()
        self.counters: Counter[str] = Counter()
        self.instance = f"{self.random.getrandbits(64):016x}"
        self.epoch = 0
        self.started_at = 0.0
        self.succession: tuple[str, ...] = ()
        self.relays = False
        self.http_url: str | None = None
        self._given_state, self._given_identity = state, identity
        self._logger = logger
        self._limits, self._rekeying = limits, rekeying
        self._living: AbstractAsyncContextManager[None] | None = None
        self._make_parts(watchdog=watchdog)

    def _make_parts(self, *, watchdog: bool) -> None:
        """Make what a node has before it is entered; what it keeps in its state comes later."""
        log = self.logger("node")
        self._local = Local(
            self.id, self.instance, self.clock.now, self.clock.wall, self.new_id, self.counters
        )
        self._ways = Ways()
        self._stalls = Stalls(log, watch=watchdog)
        self.plugins = PluginRegistry(
            on_enter=self._stalls.enter,
            now=self.clock.now,
            remove_stalling=self.config.remove_stalling,
        )
        self._registered = Registered(self.plugins)
        self._starter = Starter(self.plugins)
        self.hooks = NodeHooks(self.plugins, self)
        self._events = Events(self.hooks, self.counters)
        self._reloader = Reloader(self, self.keyring, self.hooks, log)
        self._lifetime = Lifetime(
            self._start, self._take_leave, self._starter.cancel, self._on_late
        )

    def __repr__(self) -> str:
        if self.epoch == 0:
            return f"<Node {self.id} not started>"
        return f"<Node {self.id} epoch {self.epoch}, {len(self.links)} links>"

    # --- life

    async def __aenter__(self) -> Self:
        if self._living is not None:
            raise LocalProtocolError("a node is entered once; make another one")
        self._living = self._lifetime.live()
        await self._living.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._living is not None
        return await self._living.__aexit__(kind, error, trace)

    async def _take_leave(self) -> None:
        self._events.close()
        await self.hooks.notify(hookspecs.node_stopping)
        await self._interior.take_leave()

    async def _start(self, stack: AsyncExitStack) -> bool:
        self._load_plugins(stack)
        self._open_state(stack)
        self._build(stack)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        stack.callback(self.exchanges.abandon)
        exchanges, interior = self.exchanges, self._interior
        for task in (exchanges.run, exchanges.acknowledgements.run, interior.run_ticks):
            tasks.start_soon(task)
        stack.enter_context(self._stalls.watch(self.plugins))
        tasks.start_soon(self._stalls.run)
        self._registered.collect(self.hooks, self._interior.own_metrics())
        complete = await self._starter.start_all(self.hooks, stack)
        for task in (self._events.run, interior.routing.run, self.standings.run):  # heard from now
            tasks.start_soon(task)
        return complete

    def _load_plugins(self, stack: AsyncExitStack) -> None:
        self.plugins.when_failed(self._on_plugin_failed)
        self.plugins.when_ending(self._on_ending)
        self.plugins.load(self._chosen, self.config.disable)
        stack.enter_context(sole_use(self.plugins.list(), self.id, self.plugins.fail))
        known = [info.name for info in self.plugins.list()]
        self.config.bind(self.plugins.config_sections(), known=known)
        self.look_who_decides()
        for secret in self.config.secrets:
            register_secret(secret.reveal())

    def _open_state(self, stack: AsyncExitStack) -> None:
        files = (*CORE_FILES, *self.plugins.state_files())
        given, folder = self._given_state, self.config.state_dir
        self.state = stack.enter_context(StateFolder(folder, files)) if given is None else given
        self.started_at = self.clock.wall()

    def _build(self, stack: AsyncExitStack) -> None:
        identity, wall = self._given_identity, self.clock.wall
        standing = open_standing(self.id, self.state, wall=wall, identity=identity)
        stack.callback(standing.trust.flush)
        self.identity, self.succession = standing.identity, standing.succession
        self.epoch, self.revocations = standing.epoch, standing.revocations
        self.trust = standing.trust
        self.watch_trust(self.trust)
        self._interior = Interior(
            self._local,
            self._ways,
            standing,
            self.keyring,
            hooks=self.hooks,
            events=self._events,
            log=RateLimitedLogger(self.logger("switch"), clock=self.clock.now),
            rekeying=self._rekeying,
            openings=self.config.peer_sessions,
            limits=self._limits or ExchangeLimits(per_peer=self.config.peer_exchanges),
        )
        self.directory, self.stack = self._interior.directory, self._interior.stack
        self.sessions, self.switch = self.stack.sessions, self.stack.switch
        self.exchanges = self.stack.exchanges

    def stop(self) -> None:
        """Stop the node; whoever waits in ``wait_stop`` is to leave it then."""
        self._lifetime.stopping.set()

    def held_up_by(self) -> list[str]:
        """Return what a node that stops waits for: ``plugin: hook or task``."""
        return self.plugins.hooks.awaited[:] or self._starter.holding()

    async def wait_stop(self) -> None:
        """Return when ``stop`` was called."""
        await self._lifetime.stopping.wait()

    # --- its configuration

    async def reload(self, config: Config | None = None) -> Changes:
        """Put another configuration in force as far as that needs no restart; say what changed.

        Without one, the node's file is read again. Links and exchanges it leaves alone go on.

        Raises: ConfigError, with every mistake in it; nothing is changed then.
            LocalProtocolError, where the node does not run, or has no file.
        """
        if self.epoch == 0 or self._lifetime.stopping.is_set():
            raise LocalProtocolError("a node that does not run cannot reload")
        return await self._reloader.reload(config)

    def when_reloaded(self, call: Callable[[Changes], None]) -> None:
        """Have something called after each reload that changed anything."""
        self._reloader.when_reloaded(call)

    # --- talking

    def accept(
        self, frame: Frame, handler: Callable[[Exchange], Awaitable[None]], scope: PluginScope
    ) -> bool:
        """Answer an opening frame with a handler; for ``frame_received`` hooks to return."""
        if self._lifetime.stopping.is_set():
            return self.refuse(frame, "stopping", f"{self.id} stops")
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
        return self._ways.links

    @property
    def routes(self) -> Mapping[NodeId, Route]:
        """The next hop to each node that can be reached, neighbours among them."""
        return self._ways.routes

    @property
    def heard(self) -> Mapping[NodeId, float]:
        """The clock's time at which each node was last heard."""
        return self.stack.switch.heard

    def reachable(self, node_id: NodeId | str) -> bool:
        """Say whether there is a way to a node; to itself there always is."""
        return node_id == self.id or self._ways.next_link(NodeId(node_id)) is not None

    async def run_link(self, link: Link) -> str:
        """Carry frames over a proved link, the only one to its peer; return why it closed."""
        return await self._interior.run_link(link)

    def accept_record(self, signed: SignedRecord, *, proven: bool = False) -> Accepted:
        """Take a member's record; see ``Directory.accept``. Raises: RemoteProtocolError."""
        return self._interior.roster.accept(signed, proven=proven)

    def put_own_record(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self._interior.roster.put_own(record, signed)

    def expel(self, key: bytes) -> list[NodeId]:
        """Drop the members with a revoked key, and all they have here; return their names."""
        self.key_revoked(key)
        return self._interior.roster.expel(key)

    def offers_changed(self) -> None:
        """Say that an offer reads differently now; the record is written again soon."""
        self._events.emit(hookspecs.offers_changed)

    def compute_routes(self) -> None:
        """Compute the routes now, and tell exchanges that wait for one."""
        self._interior.routing.compute()

    async def path_status(self, peer: NodeId | str, *, probe: bool = False) -> PathStatus:
        """Return how a node is reached; with ``probe``, after making sure."""
        peer = NodeId(peer)
        found = await self.hooks.first(hookspecs.path_status, peer=peer, probe=probe)
        if isinstance(found, PathStatus):
            return found
        link = self.links.get(peer)
        if link is not None:
            return PathStatus("direct", latency_ms=link.rtt, last_seen=self.clock.wall())
        return PathStatus("unreachable", reason="no link")

    # --- what plugins add

    def checks(self) -> list[Check]:
        """Return the checks of plugins; ``doctor.own_checks.all_checks`` adds the core's own."""
        spec = hookspecs.register_checks
        added = self.plugins.collect(spec, Check, config=self.config, node=self)
        return [attrs.evolve(check, plugin=plugin) for plugin, check in added]

    def logger(self, component: str) -> logging.Logger:
        """Return the logger of a component, below the host's where it gave one."""
        return component_logger(self._logger, component)

    # --- inside

    def _on_ending(self, fault: Fault) -> None:
        self._lifetime.end(PluginError(fault.plugin, f"{fault.hook}: {fault.error}"))

    def _on_late(self, seconds: float) -> None:
        who = ", ".join(self.held_up_by()) or "nobody that is known"
        self.logger("node").warning("stopping for %g s, held up by %s", seconds, who)

    def _on_plugin_failed(self, info: PluginInfo) -> None:
        self.look_who_decides()
        self._starter.plugin_failed(info)
        if "register_offers" in info.hooks:
            self.offers_changed()
