"""The node: the core's one object, which a host embeds and plugins are handed."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, ParamSpec

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.log import RateLimitedLogger, component_logger
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.exchange.exchanges import ExchangeLimits, Exchanges
from clawmatrix_core.kernel.contributions import Check
from clawmatrix_core.kernel.events import Events
from clawmatrix_core.kernel.lifetime import Lifetime
from clawmatrix_core.kernel.registered import Registered
from clawmatrix_core.kernel.registry import PluginInfo, PluginRegistry
from clawmatrix_core.kernel.reloading import Reloader
from clawmatrix_core.kernel.route_keeper import RouteKeeper
from clawmatrix_core.kernel.routes import PathStatus
from clawmatrix_core.kernel.stalls import Stalls
from clawmatrix_core.kernel.starting import Starter
from clawmatrix_core.kernel.switch import Switch
from clawmatrix_core.members.directory import Accepted, Directory, NodeRecord, SignedRecord
from clawmatrix_core.members.identity import load_identity
from clawmatrix_core.members.revocations import Revocations
from clawmatrix_core.members.succession import load_succession
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.sessions.keyring import Keyring
from clawmatrix_core.sessions.sessions import Sessions
from clawmatrix_core.state.epoch import next_epoch
from clawmatrix_core.state.files import CORE_FILES
from clawmatrix_core.state.folder import State, StateFolder
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AsyncExitStack
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.contributions import ControlMethod, HttpRoute, StatusSection
    from clawmatrix_core.kernel.routes import Route
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.wire.frames import Frame, Transit
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.transport import Transport

__all__ = ["Node"]

P = ParamSpec("P")

_VOUCHES = 1024
"""Links of a member that are not too many to speak for who is at their other ends."""
LINGER = 1.0
"""Seconds for which a node that stops lets queued frames go out."""


class Node:
    """One member of a mesh: ``async with Node(config) as node: ...``, once.

    It installs no signal handler, configures no logging and uses no globals, so that several
    run in one process.

    Attributes:
        id: its name.
        config: what it was told, with what was reloaded since.
        clock: its clocks.
        random: its randomness, but for keys.
        plugins: its plugins and their states.
        counters: what was refused, by reason.
        instance: a word for this run of it; another one after each start.
        epoch: counts its starts.
        started_at: wall-clock seconds of this start.
        succession: how it came to its key from earlier ones, for its record.
        relays: whether it passes on frames for others. A plugin that does sets it as it
            starts; the record says so.
        keyring: the secrets of the mesh that are in force; ``put`` others while it runs.
        identity, trust, revocations, directory, sessions, exchanges: its parts, once entered.
    """

    identity: Identity
    trust: TrustStore
    revocations: Revocations
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
        rekeying: Rekeying | None = None,
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
            rekeying: for how long, and for how much, keys are good.
            watchdog: whether a thread watches for plugins that block the loop.
        """
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
        self._chosen = plugins if plugins is not None else config.plugins
        self._given_state = state
        self._given_identity = identity
        self._logger = logger
        self._limits = limits
        self._rekeying = rekeying
        self._log = self.logger("node")
        self._stalls = Stalls(self._log, watch=watchdog)
        self.plugins = PluginRegistry(on_enter=self._stalls.enter, now=self.clock.now)
        self.hooks = self.plugins.hooks
        self._registered = Registered(self.plugins)
        self._starter = Starter(self.plugins)
        self._events = Events(self.hooks)
        self._route_keeper = RouteKeeper(self)
        self._reloader = Reloader(self)
        self._lifetime = Lifetime(self._start, self._take_leave, self._starter.cancel)
        self._living: AbstractAsyncContextManager[None] | None = None

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
        await self.hooks.notify(hookspecs.node_stopping, node=self)
        self.exchanges.shut_down()
        with anyio.move_on_after(LINGER):
            for link in tuple(self.links.values()):
                await link.drained()

    async def _start(self, stack: AsyncExitStack) -> bool:
        self._load_plugins()
        self._open_state(stack)
        self._build()
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        stack.callback(self.exchanges.abandon)
        exchanges = self.exchanges
        for task in (exchanges.run, exchanges.acknowledgements.run, self._run_ticks):
            tasks.start_soon(task)
        stack.enter_context(self._stalls.watch(self.plugins))
        tasks.start_soon(self._stalls.run)
        self._registered.collect(self)
        complete = await self._starter.start_all(self, stack)
        for task in (self._events.run, self._route_keeper.run):  # no plugin hears before it runs
            tasks.start_soon(task)
        return complete

    def _load_plugins(self) -> None:
        self.plugins.load(self._chosen, self.config.disable)
        self.config.bind(
            self.plugins.config_sections(), known=[info.name for info in self.plugins.list()]
        )
        for secret in self.config.secrets:
            register_secret(secret.reveal())
        self.plugins.when_failed(self._on_plugin_failed)

    def _open_state(self, stack: AsyncExitStack) -> None:
        files = (*self.plugins.state_files(), *CORE_FILES)
        if self._given_state is not None:
            self.state = self._given_state
        else:
            self.state = stack.enter_context(StateFolder(self.config.state_dir, files))
        self.identity = self._given_identity or load_identity(self.state)
        self.epoch = next_epoch(self.state)
        self.started_at = self.clock.wall()
        self.trust = TrustStore(self.state)
        stack.callback(self.trust.flush)
        self.succession = load_succession(self.state, self.id, self.identity)
        self.revocations = Revocations(
            self.id, self.identity, self.state, self.trust, wall=self.clock.wall
        )
        self.revocations.flush()

    def _build(self) -> None:
        now, wall = self.clock.now, self.clock.wall
        self.directory = Directory(
            self.id,
            self.identity,
            self.trust,
            now=now,
            wall=wall,
            is_revoked=lambda key: self.revocations.get(key) is not None,
            make_room=self._make_room,
        )
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
            psks=lambda: self.keyring.psks,
            directory=self.directory,
            now=now,
            new_id=self.new_id,
            send=self.switch.send_opening,
            ready=self._on_session,
            prove=self.switch.send_proof,
            count=self._count,
            rekeying=self._rekeying,
            openings=self.config.peer_sessions,
        )
        self.keyring.when_changed(self.sessions.retire)
        self.exchanges = self.switch.exchanges = Exchanges(
            transmit=self.switch.transmit,
            new_id=self.new_id,
            instance_of=self._instance_of,
            when_space=self._when_space,
            now=now,
            count=self._count,
            limits=self._limits or ExchangeLimits(per_peer=self.config.peer_exchanges),
            refused=self.switch.refuse,
        )

    def stop(self) -> None:
        """Stop the node; whoever waits in ``wait_stop`` is to leave it then."""
        self._lifetime.stopping.set()

    async def wait_stop(self) -> None:
        """Return when ``stop`` was called."""
        await self._lifetime.stopping.wait()

    # --- its configuration

    async def reload(self, config: Config | None = None) -> Changes:
        """Put another configuration in force as far as that needs no restart; say what changed.

        Without one, the file of the present one is read again. Links and exchanges that it
        does not concern go on.

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

    def exchange(
        self,
        to: NodeId | str,
        type_: str,
        payload: Any = None,
        *,
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange:
        """Open an exchange with a node: ``async with node.exchange(...) as ex``.

        ``data`` are bytes that go with the payload in one frame. ``complete`` says that this
        is the whole request; else ``send`` and ``finish`` follow. ``deadline`` is in seconds
        and travels with the request.
        """
        return self.exchanges.open(
            NodeId(to), type_, payload, data=data, complete=complete, deadline=deadline, lane=lane
        )

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
        self._route_keeper.changed()
        self.emit(hookspecs.link_opened, node=self, link=link)
        self.exchanges.flush(link.peer, again=True)
        try:
            return await link.run(self.switch.on_message)
        finally:
            if self.switch.links.get(link.peer) is link:
                del self.switch.links[link.peer]
            self.sessions.remove_link(link.session)
            self._route_keeper.lost()
            reason = link.closing or "closed"
            self.emit(hookspecs.link_closed, node=self, link=link, reason=reason)

    def accept_record(self, signed: SignedRecord, *, proven: bool = False) -> Accepted:
        """Take a member's record; see ``Directory.accept``. Raises: RemoteProtocolError."""
        outcome, record = self.directory.accept(signed, proven=proven)
        if outcome is Accepted.NEWER:
            self._record_changed(record)
        return outcome

    def expel(self, key: bytes) -> list[NodeId]:
        """Drop the members with a key that was revoked: record, link, sessions, exchanges.

        Returns their names.
        """
        members = (peer.record for peer in self.directory.others())
        found = [r.node_id for r in members if key in (r.sign_key_bytes(), *r.past_keys())]
        for name in found:
            link = self.links.get(name)
            if link is not None:
                link.close(f"{name} was revoked", CloseCode.REVOKED)
            self.directory.forget(name)
            self.sessions.drop(name)
            self.exchanges.lose(name, "", "was revoked")
        self._route_keeper.changed()
        return found

    def put_own_record(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self.directory.put_own(record, signed)
        self._record_changed(record)

    def _record_changed(self, record: NodeRecord) -> None:
        link = self.links.get(record.node_id)
        if link is not None and link.closing is None and link.instance != record.instance:
            pass  # hearsay of another run does not end what is said on an open link
        elif record.node_id != self.id:
            self.sessions.forget(record.node_id, record.instance)
            self.exchanges.lose(record.node_id, record.instance, "restarted")
        self._route_keeper.changed()
        peer = self.directory.get(record.node_id)
        if peer is not None:
            self.emit(hookspecs.peer_changed, node=self, peer=peer)

    def offers(self) -> dict[str, list[dict[str, Any]]]:
        """Return what this node offers to every member, by kind."""
        return self._registered.offers()

    def offers_changed(self) -> None:
        """Say that an offer reads differently now; the record is written again soon."""
        self.emit(hookspecs.offers_changed, node=self)

    def compute_routes(self) -> None:
        """Compute the routes now, and tell whoever waits for one."""
        self._route_keeper.compute()

    async def path_status(self, peer: NodeId, *, probe: bool = False) -> PathStatus:
        """Return how a node is reached; with ``probe``, after making sure."""
        found = await self.hooks.first(hookspecs.path_status, node=self, peer=peer, probe=probe)
        if isinstance(found, PathStatus):
            return found
        link = self.links.get(peer)
        if link is not None:
            return PathStatus("direct", latency_ms=link.rtt, last_seen=self.clock.wall())
        return PathStatus("unreachable", reason="no link")

    # --- what plugins registered

    @property
    def transports(self) -> Mapping[str, Transport]:
        """What dials and listens, by address scheme."""
        return self._registered.transports

    def http_routes(self) -> Sequence[HttpRoute]:
        """Return the routes that plugins added to the local HTTP server."""
        return self._registered.http_routes()

    def control_methods(self) -> Sequence[ControlMethod]:
        """Return the methods that plugins added to the control socket."""
        return self._registered.control_methods()

    def status_sections(self) -> Sequence[StatusSection]:
        """Return the sections that plugins added to the status."""
        return self._registered.status_sections()

    def checks(self) -> list[Check]:
        """Return the checks that plugins add to ``clawmatrix doctor``.

        ``clawmatrix_core.doctor.own_checks.all_checks`` returns the core's own as well.
        """
        spec = hookspecs.register_checks
        added = self.plugins.collect(spec, Check, config=self.config, node=self)
        return [check for _, check in added]

    def logger(self, component: str) -> logging.Logger:
        """Return the logger of a component, below the host's where it gave one."""
        return component_logger(self._logger, component)

    def emit(
        self, spec: Callable[P, Awaitable[None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Have an event hook called soon, in order with the others."""
        self._events.emit(spec, *args, **kwargs)

    # --- inside

    async def _run_ticks(self) -> None:
        while True:
            await anyio.sleep(1.0)
            self._stalls.count(self.plugins)
            self.sessions.tick()
            for link in tuple(self.links.values()):
                if link.stalled_for() > link.drain_limit:
                    self._count("stalled")
                    link.close("the other end takes nothing", CloseCode.DEAD)

    def _make_room(self, newcomer: NodeRecord) -> bool:
        """Forget a member for another one, where hearsay has filled the directory.

        The newcomer has a link to somebody this node has heard, who says so too; who goes is
        neither heard nor to be reached. Whoever made up the others can vouch for few of them.
        """
        known = (self.directory.get(name) for name in newcomer.links if name in self.heard)
        told = (peer.record.links for peer in known if peer is not None)
        if not any(newcomer.node_id in links and len(links) <= _VOUCHES for links in told):
            return False
        for peer in self.directory.others():
            if peer.node_id not in self.heard and not self.reachable(peer.node_id):
                self.directory.forget(peer.node_id)
                return True
        return False

    def _on_session(self, peer: NodeId, instance: str) -> None:
        self.exchanges.lose(peer, instance, "restarted")
        # What went out under an earlier session was not understood, if that one was lost.
        self.exchanges.flush(peer, again=True)

    def _instance_of(self, peer: NodeId) -> str | None:
        return self.instance if peer == self.id else self.sessions.instance_of(peer)

    def _when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        link = self.switch.next_link(peer)
        if link is not None:
            link.when_space(lane, call)

    def _count(self, reason: str) -> None:
        self.counters[reason] += 1

    def _on_plugin_failed(self, info: PluginInfo) -> None:
        self._starter.plugin_failed(info)
        if "register_offers" in info.hooks:
            self.offers_changed()


class _FrameHooks:
    """The node's frame hooks, with the node filled in."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._dispatcher = node.hooks

    def frame(self, frame: Frame) -> bool:
        return self._dispatcher.frame(self._node, frame)

    def transit(self, transit: Transit) -> bool:
        return self._dispatcher.transit(self._node, transit)
