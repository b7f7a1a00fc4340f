"""The mesh plugin: its hooks. What it runs is wired in ``running``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from clawmatrix_core import (
    Check,
    ConfigSection,
    ControlMethod,
    ExchangeFailure,
    Proxies,
    Route,
    StateFile,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_core.spi import HandshakeError
from clawmatrix_mesh.api import ListensForNodes
from clawmatrix_mesh.config import TEMPLATE, MeshConfig
from clawmatrix_mesh.invite.invitations import INVITATIONS
from clawmatrix_mesh.links.limits import LinkLimits
from clawmatrix_mesh.links.preamble import PROTOCOL
from clawmatrix_mesh.members.introductions import INTRODUCTIONS
from clawmatrix_mesh.members.vouching import VOUCHED
from clawmatrix_mesh.neighbour_frames import NEIGHBOUR_TYPES
from clawmatrix_mesh.running import RunningMesh
from clawmatrix_mesh.websocket.certificate import ServedCertificate
from clawmatrix_mesh.websocket.tls import client_tls, server_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click

    from clawmatrix_core import Config, Exchange, Frame, Link, Node, NodeId, PluginScope, Transport
    from clawmatrix_core.spi import SignedRevocation
    from clawmatrix_mesh.invite.invitations import Invitations
    from clawmatrix_mesh.links.links import Links

__all__ = ["MeshPlugin"]

_METHODS = (
    *("trust.list", "trust.accept", "trust.forget"),
    *("revoke.add", "revoke.undo"),
    *("revocations.list", "revocations.accept", "revocations.reject"),
    *("invite.add", "invite.list", "invite.revoke"),
)


class MeshPlugin(ListensForNodes):
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
        self._certificate: ServedCertificate | None = None
        self._proxies = Proxies()
        self._mesh: RunningMesh | None = None

    # --- registration: nothing runs yet

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read ``[mesh]``."""
        return [ConfigSection("mesh", MeshConfig, TEMPLATE)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep the invitations, and what introducers and this node itself vouch for."""
        return [StateFile(INVITATIONS), StateFile(INTRODUCTIONS), StateFile(VOUCHED)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add the commands for keys, for revocations and for new members."""
        from clawmatrix_mesh.commands.fingerprint import fingerprint
        from clawmatrix_mesh.commands.invite import invite
        from clawmatrix_mesh.commands.join import join
        from clawmatrix_mesh.commands.revocations import revocations
        from clawmatrix_mesh.commands.revoke import revoke
        from clawmatrix_mesh.commands.trust import trust

        return [trust, fingerprint, revoke, revocations, invite, join]

    @hookimpl
    def register_transports(self, node: Node) -> list[Transport]:
        """Add ``ws`` and ``wss``."""
        from clawmatrix_mesh.websocket.front import Front
        from clawmatrix_mesh.websocket.strangers import Door
        from clawmatrix_mesh.websocket.transport import WebSocketTransport

        config = node.config.section(MeshConfig)
        serving = server_tls(config)
        if serving is not None:
            self._certificate = ServedCertificate(config, serving)
        self._proxies.use(config.proxies)
        return [
            WebSocketTransport(
                server_tls=serving,
                client_tls=client_tls(config),
                proxy=config.proxy,
                door=Door.make(self._note_refused),
                refused=lambda reason: node.counters.update((reason,)),
                front=Front(self._proxies, self._health),
            )
        ]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what the commands call."""
        return ControlMethod.later(partial(self._methods, node), _METHODS)

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Show the links, and the addresses that are dialled."""
        status, lines = partial(self._status, node), partial(_status_lines, node)
        return [StatusSection("mesh", status, text=lines, colour="yellow")]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Look at ports, peers, clocks, keys and certificates."""
        # Imported here: a node that is never examined does without, and without X.509.
        from clawmatrix_mesh.checks.advertised import advertised_checks
        from clawmatrix_mesh.checks.certificate import certificate_checks

        told = config.section(MeshConfig)
        always = [*certificate_checks(told), *advertised_checks(told)]
        if node is None:
            from clawmatrix_mesh.checks.resting import resting_checks

            return [*resting_checks(config), *always]
        from clawmatrix_mesh.checks.live import live_checks

        return [*live_checks(node, self._links()), *always]

    # --- life

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Bind where to listen, and write the first record."""
        self._mesh = RunningMesh(node, scope, limits=self._limits, protocol=self._protocol)
        await self._mesh.start()
        if self._certificate is not None:
            scope.start_soon(self._certificate.run, self._limits.certificate, node.logger("mesh"))

    @hookimpl
    async def node_started(self) -> None:
        """Let others in, and dial: only now is every plugin ready for what they ask."""
        if self._mesh is not None:
            self._mesh.open()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Dial other addresses, and take over what else was changed."""
        self._proxies.use(node.config.section(MeshConfig).proxies)
        if self._mesh is not None:
            self._mesh.reconfigure(changed)

    @hookimpl(tryfirst=True)
    async def node_stopping(self) -> None:
        """Tell load balancers to send no more connections here."""
        if self._mesh is not None:
            self._mesh.links.listening.health = "stopping"

    # --- frames and events

    @hookimpl
    @frame_types(*NEIGHBOUR_TYPES, INTRODUCTIONS, "ping")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Take what neighbours say to each other, and answer members' questions."""
        if self._mesh is None:
            return None
        if frame.header.type == "ping":
            return node.accept(frame, _pong, self._mesh.scope)
        if frame.header.type == INTRODUCTIONS:
            return node.accept(frame, self._mesh.introducing.answer, self._mesh.scope)
        return self._mesh.frames.take(frame)

    @hookimpl
    async def link_opened(self, node: Node, link: Link) -> None:
        """Say so, and tell a new neighbour what is known here."""
        how = "dialled" if link.dialled else "from"
        where = link.connection.remote
        node.logger("mesh").info("link to %s is open (%s %s)", link.peer, how, where)
        if self._mesh is not None:
            self._mesh.greet(link)

    @hookimpl
    async def link_closed(self, node: Node, link: Link, reason: str) -> None:
        """Say why."""
        log = node.logger("mesh")
        log.info("link to %s closed: %s", link.peer, reason)
        links = self._links()
        if links is not None and link.peer not in node.links:  # no other link took its place
            often = links.flaps.note(link.peer, reason, node.clock.wall())
            if often is not None:
                log.warning("%s", often)

    @hookimpl
    async def offers_changed(self) -> None:
        """Write the record again."""
        if self._mesh is not None:
            self._mesh.membership.own.touch()

    @hookimpl(trylast=True)
    def compute_routes(self, node: Node) -> Mapping[NodeId, Route] | None:
        """Reach neighbours, where no plugin knows more."""
        return {peer: Route(peer, link.rtt or 0.0, 1) for peer, link in node.links.items()}

    # --- what commands, status and tests ask for

    @property
    def addresses(self) -> tuple[str, ...]:
        """See ListensForNodes."""
        return () if self._mesh is None else self._mesh.links.listening.bound

    async def _methods(self, node: Node) -> list[ControlMethod]:
        """Return the methods themselves. Nodes that nobody asks do without them."""
        methods = await anyio.to_thread.run_sync(_import_methods)
        settle, hurry = self._settle, self._hurry
        return methods(node, self._issue, settle, hurry, self._invitations, self._dialable)

    def _status(self, node: Node) -> dict[str, Any]:
        from clawmatrix_mesh.status import mesh_status  # a node that nobody asks does without

        return mesh_status(node, self._links())

    def _health(self) -> str:
        return "starting" if self._mesh is None else self._mesh.links.listening.health

    def _links(self) -> Links | None:
        return None if self._mesh is None else self._mesh.links

    def _note_refused(self, remote: str, reason: str, text: str) -> None:
        if self._mesh is not None:
            self._mesh.links.acceptor.note_refused(remote, HandshakeError(text, reason=reason))

    def _invitations(self) -> Invitations:
        if self._mesh is None:
            raise ExchangeFailure("refused", "the mesh plugin has not started")
        return self._mesh.invitations

    def _dialable(self) -> list[str]:
        if self._mesh is None:
            return []
        from clawmatrix_mesh.invite.methods import dialable

        advertised = self._mesh.advertised
        return dialable(advertised.named() or (), self.addresses, advertised.seen())

    def _issue(self, signed: SignedRevocation) -> None:
        if self._mesh is not None:
            self._mesh.revoking.issue(signed)

    def _settle(self) -> None:
        if self._mesh is not None:
            self._mesh.revoking.settle()
            self._mesh.links.dialler.hurry()

    def _hurry(self) -> None:
        if self._mesh is not None:
            self._mesh.links.dialler.hurry()


def _status_lines(node: Node, section: Any) -> Sequence[str]:
    from clawmatrix_mesh.status import mesh_lines

    return mesh_lines(section, node.clock.wall())


def _import_methods() -> Callable[..., list[ControlMethod]]:
    from clawmatrix_mesh.methods import control_methods

    return control_methods


async def _pong(ex: Exchange) -> None:
    n = ex.request.get("n") if isinstance(ex.request, dict) else None
    await ex.finish({"n": n if isinstance(n, int) else None})
