"""The mesh plugin: links to other nodes, and who the members are."""

from __future__ import annotations

import ssl
from importlib import metadata
from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.config import ConfigSection
from clawmatrix_core.errors import StartError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.identity import psk_from_secret
from clawmatrix_core.plugin_types import ControlMethod, StatusSection, frame_types
from clawmatrix_core.routes import Route
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.connector import Connector, bind
from clawmatrix_mesh.handshake import Credentials
from clawmatrix_mesh.heartbeat import Heartbeat
from clawmatrix_mesh.membership import Membership
from clawmatrix_mesh.trust_methods import trust_methods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_core.frames import Frame, NodeId
    from clawmatrix_core.link import Link
    from clawmatrix_core.node import Node
    from clawmatrix_core.scope import PluginScope
    from clawmatrix_core.transport import Transport

__all__ = ["MeshPlugin"]

_HOURLY = 3600.0


class MeshPlugin:
    """Links over WebSocket, membership, heartbeat, reconnect."""

    def __init__(self) -> None:
        self._membership: Membership | None = None
        self._heartbeat: Heartbeat | None = None
        self._connector: Connector | None = None
        self._scope: PluginScope | None = None
        self._bound: tuple[str, ...] = ()
        self._advertised: tuple[str, ...] = ()

    # --- registration

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read ``[mesh]``."""
        return [ConfigSection("mesh", MeshConfig)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``clawmatrix trust``."""
        from clawmatrix_mesh.commands import trust

        return [trust]

    @hookimpl
    def register_transports(self, node: Node) -> list[Transport]:
        """Add ``ws`` and ``wss``."""
        from clawmatrix_mesh.websocket import WebSocketTransport

        config = node.config.section(MeshConfig)
        return [
            WebSocketTransport(
                server_tls=_server_tls(config), client_tls=_client_tls(config), proxy=config.proxy
            )
        ]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what ``clawmatrix trust`` calls."""
        return trust_methods(node)

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Show the links, and the addresses that are dialled."""
        return [StatusSection("mesh", lambda: self._status(node))]

    # --- life

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Listen, and dial the configured peers."""
        config = node.config.section(MeshConfig)
        self._advertised = config.advertise
        version = metadata.version("clawmatrix")
        membership = Membership(node, version=version, addresses=lambda: self._advertised)
        heartbeat = Heartbeat(node, membership, config.heartbeat, membership.rtt_measured)
        credentials = Credentials(
            node.id,
            node.identity,
            psk_from_secret(node.config.secret.reveal()),
            node.instance,
            membership.current,
            node.clock.now,
            node.clock.wall,
        )
        connector = Connector(node, membership, heartbeat, credentials, report=scope.report)
        self._membership, self._heartbeat, self._connector = membership, heartbeat, connector
        self._scope = scope
        membership.write()
        for address in _listen_addresses(config):
            listener = await bind(node, address, scope.enter)
            self._bound += listener.addresses
            scope.start_soon(connector.accept, listener)
        for address in config.peers:
            scope.start_soon(connector.keep, address, name=f"dial {address}")
        scope.start_soon(membership.run)
        scope.start_soon(self._forget, membership)

    @hookimpl
    async def node_stopping(self, node: Node) -> None:
        """Let what is queued on the links go out, for a moment."""
        with anyio.move_on_after(1.0):
            while any(link.waiting for link in node.links.values()):
                await anyio.sleep(0.01)

    async def _forget(self, membership: Membership) -> None:
        while True:
            await anyio.sleep(_HOURLY)
            membership.forget_old()

    # --- frames and events

    @hookimpl
    @frame_types("heartbeat", "heartbeat_ack", "digest", "records", "ping")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Take what neighbours say to each other, and answer anybody's ping."""
        if frame.header.type == "ping" and self._scope is not None:
            return node.accept(frame, self._pong, self._scope)
        link, membership, heartbeat = frame.link, self._membership, self._heartbeat
        if link is None or membership is None or heartbeat is None:
            return None
        if frame.header.source != link.peer:
            return None  # between neighbours only
        match frame.header.type:
            case "heartbeat":
                heartbeat.on_heartbeat(link, frame.payload)
            case "heartbeat_ack":
                heartbeat.on_ack(link, frame.payload)
            case "digest":
                membership.on_digest(link, frame.payload)
            case "records":
                membership.on_records(link, frame.payload)
        return True

    async def _pong(self, ex: Exchange) -> None:
        await ex.finish(ex.request)

    @hookimpl
    async def link_opened(self, link: Link) -> None:
        """Tell a new neighbour which records are known here."""
        if self._membership is not None and link.closing is None:
            self._membership.send_digest(link)

    @hookimpl
    async def offers_changed(self) -> None:
        """Write the record again."""
        if self._membership is not None:
            self._membership.touch()

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
        attempts = self._connector.attempts.values() if self._connector else ()
        return {
            "listen": list(self._bound),
            "links": [
                {
                    "nodeId": link.peer,
                    "dialled": link.dialled,
                    "remote": link.connection.remote,
                    "latencyMs": None if link.rtt is None else round(link.rtt, 2),
                    "protocol": link.protocol,
                    "peerProtocol": link.peer_protocol,
                    "framesIn": link.frames_in,
                    "framesOut": link.frames_out,
                    "bytesIn": link.bytes_in,
                    "bytesOut": link.bytes_out,
                }
                for link in node.links.values()
            ],
            "dialling": [
                {"address": a.address, "nodeId": a.node_id, "error": a.error} for a in attempts
            ],
        }


def _listen_addresses(config: MeshConfig) -> list[str]:
    addresses = [config.listen_url] if config.listen_url else []
    if config.listen is not None:
        scheme = "wss" if config.tls_cert else "ws"
        addresses.append(f"{scheme}://{config.listen}")
    return addresses


def _server_tls(config: MeshConfig) -> ssl.SSLContext | None:
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"mesh: tls_cert or tls_key cannot be used: {error}") from None
    return context


def _client_tls(config: MeshConfig) -> ssl.SSLContext | None:
    if config.ca is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(config.ca)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"mesh: ca cannot be used: {error}") from None
    return context
