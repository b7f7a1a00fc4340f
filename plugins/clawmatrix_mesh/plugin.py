"""The mesh plugin: links to other nodes, and who the members are."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.base.errors import ExchangeFailure, RemoteProtocolError, StartError, StateError
from clawmatrix_core.config.config import ConfigSection
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.contributions import Check, ControlMethod, StatusSection, frame_types
from clawmatrix_core.kernel.routes import Route
from clawmatrix_core.state.files import StateFile
from clawmatrix_mesh.addresses import bind
from clawmatrix_mesh.checks.certificate import Certificate, certificate_checks
from clawmatrix_mesh.checks.live import live_checks
from clawmatrix_mesh.config import MeshConfig, listen_addresses
from clawmatrix_mesh.invite.invitations import INVITATIONS, Invitations
from clawmatrix_mesh.invite.inviting import Inviter
from clawmatrix_mesh.invite.methods import InviteMethods, dialable
from clawmatrix_mesh.links.acceptor import Acceptor
from clawmatrix_mesh.links.carrier import Carrier
from clawmatrix_mesh.links.channel import Credentials
from clawmatrix_mesh.links.connector import Connector
from clawmatrix_mesh.links.dialler import Dialler
from clawmatrix_mesh.links.direct import Direct
from clawmatrix_mesh.links.heartbeat import Heartbeat
from clawmatrix_mesh.links.limits import LinkLimits
from clawmatrix_mesh.links.neighbours import Neighbours
from clawmatrix_mesh.links.preamble import PROTOCOL
from clawmatrix_mesh.links.waking import Waking
from clawmatrix_mesh.members.membership import Membership
from clawmatrix_mesh.members.revoke_methods import revocations_json, revoke_methods
from clawmatrix_mesh.members.revoking import REVOCATIONS, Revoking
from clawmatrix_mesh.members.trust_methods import trust_methods
from clawmatrix_mesh.status import mesh_status
from clawmatrix_mesh.websocket.tls import client_tls, server_tls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import click

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.members.revocation import SignedRevocation
    from clawmatrix_core.wire.frames import Frame
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.transport import Listener, Transport

__all__ = ["MeshPlugin"]

_HOURLY = 3600.0


class MeshPlugin:
    """Links over WebSocket, membership, heartbeat, reconnect.

    Its arguments are for tests, which shorten times and play nodes of other versions.
    """

    plugin_name = "mesh"
    Limits = LinkLimits

    def __init__(
        self, *, limits: LinkLimits | None = None, protocol: tuple[int, int] = PROTOCOL
    ) -> None:
        self._limits = limits or LinkLimits()
        self._protocol = protocol
        self._membership: Membership | None = None
        self._heartbeat: Heartbeat | None = None
        self._acceptor: Acceptor | None = None
        self._carrier: Carrier | None = None
        self._dialler: Dialler | None = None
        self._revoking: Revoking | None = None
        self._invitations: Invitations | None = None
        self._direct: Direct | None = None
        self._certificate: Certificate | None = None
        self._scope: PluginScope | None = None
        self._listeners: tuple[Listener, ...] = ()
        self._bound: tuple[str, ...] = ()
        self._advertised: tuple[str, ...] = ()

    # --- registration

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read ``[mesh]``."""
        return [ConfigSection("mesh", MeshConfig)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep the invitations."""
        return [StateFile(INVITATIONS)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``clawmatrix trust``, ``fingerprint``, ``revoke``, ``invite`` and ``join``."""
        from clawmatrix_mesh.commands.fingerprint import fingerprint
        from clawmatrix_mesh.commands.invite import invite
        from clawmatrix_mesh.commands.join import join
        from clawmatrix_mesh.commands.revoke import revoke
        from clawmatrix_mesh.commands.trust import trust

        return [trust, fingerprint, revoke, invite, join]

    @hookimpl
    def register_transports(self, node: Node) -> list[Transport]:
        """Add ``ws`` and ``wss``."""
        from clawmatrix_mesh.websocket.transport import WebSocketTransport

        config = node.config.section(MeshConfig)
        serving = server_tls(config)
        if serving is not None:
            self._certificate = Certificate(config, serving)
        return [
            WebSocketTransport(
                server_tls=serving, client_tls=client_tls(config), proxy=config.proxy
            )
        ]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what the commands call."""
        return [
            *trust_methods(node, self._trust_changed),
            *revoke_methods(node, self._revoked, self._trust_changed),
            *InviteMethods(node, self._made, self._dialable).all(),
        ]

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Show the links, and the addresses that are dialled."""
        return [StatusSection("mesh", lambda: self._status(node))]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Look at ports, peers, clocks, keys and certificates."""
        dates = certificate_checks(config.section(MeshConfig))
        if node is None:
            from clawmatrix_mesh.checks.resting import resting_checks

            return [*resting_checks(config), *dates]
        live = live_checks(
            node,
            listening=self._bound,
            attempts=lambda: self._dialler.attempts.values() if self._dialler else (),
            refused=lambda: self._acceptor.refused.latest() if self._acceptor else (),
        )
        return [*live, *dates]

    # --- life

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Bind where to listen, and write the first record."""
        config = node.config.section(MeshConfig)
        self._advertised = config.advertise
        version = metadata.version("clawmatrix")
        membership = Membership(
            node, version=version, protocol=PROTOCOL, addresses=lambda: self._advertised
        )
        revoking = Revoking(node)
        heartbeat = Heartbeat(node, membership, revoking, config.heartbeat)
        node.revocations.revokers = config.revokers
        credentials = Credentials(
            node.id,
            node.identity,
            lambda: node.keyring.psks,
            node.instance,
            membership.current,
            node.clock.now,
            node.clock.wall,
            self._protocol,
        )
        report = scope.report
        limits = attrs.evolve(self._limits, frames=config.link_frames, bytes=int(config.link_bytes))
        invitations = self._invitations = _load_invitations(node)
        neighbours = Neighbours(node, heartbeat, limits.ping)
        carrier = Carrier(node, membership, heartbeat, neighbours, credentials, limits)
        self._acceptor = Acceptor(
            node, carrier, Inviter(node, invitations), limits=limits, report=report
        )
        connector = Connector(node, carrier, limits=limits)
        self._membership, self._heartbeat, self._carrier = membership, heartbeat, carrier
        self._dialler = Dialler(node, connector, limits=limits, report=report)
        self._revoking = revoking
        revoking.when_expelled(neighbours.expel)
        if config.direct:
            self._direct = Direct(
                node, connector, limits=limits, own=lambda: self._advertised, report=report
            )
        self._scope = scope
        node.keyring.when_changed(neighbours.retire)
        membership.write()
        for address in listen_addresses(config):
            listener = await bind(node, address, scope.enter)
            self._bound += listener.addresses
            self._listeners += (listener,)
        if self._certificate is not None:
            scope.start_soon(self._certificate.run, limits.certificate, node.logger("mesh"))
        scope.start_soon(membership.run)
        scope.start_soon(membership.run_spread)
        scope.start_soon(membership.run_intake)
        scope.start_soon(self._forget, node, membership, invitations)

    @hookimpl
    async def node_started(self, node: Node) -> None:
        """Let others in, and dial: only now is every plugin ready for what they ask."""
        scope, acceptor, dialler = self._scope, self._acceptor, self._dialler
        if scope is None or acceptor is None or dialler is None or self._carrier is None:
            return
        if self._membership is not None:
            self._membership.write()  # some of what it says is known only now
        for listener in self._listeners:
            scope.start_soon(acceptor.accept, listener)
        self._dial(dialler, node.config.section(MeshConfig).peers)
        if self._direct is not None:
            scope.start_soon(self._direct.run)
        heartbeat = node.config.section(MeshConfig).heartbeat
        neighbours = self._carrier.neighbours
        scope.start_soon(Waking(node, neighbours, dialler, heartbeat=heartbeat).run)

    def _dial(self, dialler: Dialler, peers: Collection[str]) -> None:
        """Keep links to these addresses, and to no others."""
        for address in [known for known in dialler.attempts if known not in peers]:
            dialler.drop(address)
        for address in dict.fromkeys(peers):
            if address not in dialler.attempts and self._scope is not None:
                self._scope.start_soon(dialler.keep, address, dialler.add(address), name="dial")

    async def _forget(self, node: Node, membership: Membership, invitations: Invitations) -> None:
        while True:
            try:
                invitations.tidy()
            except StateError as error:  # it is tried again
                node.logger("mesh").warning("old invitations are kept: %s", error)
            await anyio.sleep(_HOURLY)
            membership.forget_old()

    # --- frames and events

    @hookimpl
    @frame_types("heartbeat", "heartbeat_ack", "digest", "records", REVOCATIONS, "ping")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Take what neighbours say to each other, and answer anybody's ping."""
        if frame.header.type == "ping" and self._scope is not None:
            return node.accept(frame, self._pong, self._scope)
        link, membership, heartbeat = frame.link, self._membership, self._heartbeat
        if link is None or membership is None or heartbeat is None:
            return None
        if frame.header.source != link.peer:
            return None  # between neighbours only
        try:
            self._take(frame, link, membership, heartbeat)
        except RemoteProtocolError as error:
            node.switch.refuse(link.peer, error.reason, str(error))
        return True

    def _take(self, frame: Frame, link: Link, membership: Membership, heartbeat: Heartbeat) -> None:
        match frame.header.type:
            case "heartbeat":
                heartbeat.on_heartbeat(link, frame.payload)
            case "heartbeat_ack":
                heartbeat.on_ack(link, frame.payload, frame.header.timestamp / 1000)
            case "digest":
                membership.on_digest(link, frame.payload)
            case "records":
                membership.on_records(link, frame.payload)
            case _ if self._revoking is not None:
                self._revoking.on_frame(link, frame.payload)

    async def _pong(self, ex: Exchange) -> None:
        n = ex.request.get("n") if isinstance(ex.request, dict) else None
        await ex.finish({"n": n if isinstance(n, int) else None})

    @hookimpl
    async def link_opened(self, link: Link) -> None:
        """Tell a new neighbour which records are known here."""
        if self._membership is not None and link.closing is None:
            self._membership.send_digest(link)
            if self._revoking is not None:
                self._revoking.greet(link)

    @hookimpl
    async def link_closed(self, node: Node, link: Link, reason: str) -> None:
        """Say why."""
        node.logger("mesh").info("link to %s closed: %s", link.peer, reason)

    @hookimpl
    async def offers_changed(self) -> None:
        """Write the record again."""
        if self._membership is not None:
            self._membership.touch()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Dial other addresses, and take over what else was changed."""
        config, carrier, dialler = node.config.section(MeshConfig), self._carrier, self._dialler
        if carrier is None or dialler is None:
            return
        node.revocations.revokers = config.revokers
        carrier.limit(config.link_frames, int(config.link_bytes))
        if self._membership is not None and changed & {"tags", "mesh.advertise"}:
            self._advertised = config.advertise
            self._membership.touch()
        if "mesh.peers" in changed:
            self._dial(dialler, config.peers)
        if changed & {"secret", "previous_secrets"}:
            dialler.hurry()

    @hookimpl(trylast=True)
    def compute_routes(self, node: Node) -> Mapping[NodeId, Route] | None:
        """Reach neighbours, where no plugin knows more."""
        return {peer: Route(peer, link.rtt or 0.0, 1) for peer, link in node.links.items()}

    # --- for status and tests

    @property
    def addresses(self) -> Iterable[str]:
        """The addresses actually bound."""
        return self._bound

    def _status(self, node: Node) -> dict[str, Any]:
        attempts = self._dialler.attempts.values() if self._dialler else ()
        refused = self._acceptor.refused.latest() if self._acceptor else ()
        upgrades = self._direct.upgrades if self._direct else {}
        return {
            **mesh_status(self._bound, node.links.values(), attempts, refused, upgrades),
            "revoked": revocations_json(node),
        }

    def _made(self) -> Invitations:
        if self._invitations is None:
            raise ExchangeFailure("refused", "the mesh plugin has not started")
        return self._invitations

    def _dialable(self) -> list[str]:
        return dialable(self._advertised, self._bound)

    def _revoked(self, signed: SignedRevocation) -> None:
        if self._revoking is not None:
            self._revoking.issue(signed)

    def _trust_changed(self) -> None:
        if self._dialler is not None:
            self._dialler.hurry()


def _load_invitations(node: Node) -> Invitations:
    try:
        return Invitations(node.state, wall=node.clock.wall)
    except StateError as error:
        raise StartError(str(error), exit_code=4) from None
