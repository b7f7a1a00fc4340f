"""All that makes and keeps the links of a node, made and wired in one place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from clawmatrix_mesh.addresses import report_transport
from clawmatrix_mesh.config import MeshConfig, listen_addresses
from clawmatrix_mesh.links.acceptor import Acceptor
from clawmatrix_mesh.links.advertised import DialPolicy
from clawmatrix_mesh.links.channel import Credentials
from clawmatrix_mesh.links.connector import Connector
from clawmatrix_mesh.links.dialler import PeerDialler
from clawmatrix_mesh.links.direct import DirectDialler
from clawmatrix_mesh.links.flapping import Flaps
from clawmatrix_mesh.links.heartbeat import Heartbeat
from clawmatrix_mesh.links.listening import Listening
from clawmatrix_mesh.links.neighbours import Neighbours
from clawmatrix_mesh.links.own_key import OwnKey
from clawmatrix_mesh.links.runner import LinkRunner
from clawmatrix_mesh.links.waking import Waking

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_core import Node, PluginScope
    from clawmatrix_mesh.links.acceptor import Invites
    from clawmatrix_mesh.links.limits import LinkLimits
    from clawmatrix_mesh.members.membership import Membership
    from clawmatrix_mesh.members.revoking import Revoking

__all__ = ["Links"]


class Links:
    """The links of a node: listening, answering, dialling, heartbeats.

    Attributes:
        heartbeat: asks each neighbour for a sign of life.
        listening: the addresses that are bound.
        acceptor: answers connections, and knows which were refused.
        dialler: dials the peers, and knows how that goes.
        direct: dials nodes behind relays, None where that is not wanted.
        own_key: knows who refuses this node's key.
        flaps: counts links that close again and again.
    """

    def __init__(
        self,
        node: Node,
        scope: PluginScope,
        membership: Membership,
        revoking: Revoking,
        invites: Invites,
        *,
        limits: LinkLimits,
        protocol: tuple[int, int],
    ) -> None:
        config = node.config.section(MeshConfig)
        limits = replace(limits, frames=config.link_frames, bytes=int(config.link_bytes))
        self._scope, report = scope, partial(report_transport, node)
        self.own_key, self.flaps = OwnKey(node), Flaps()
        self.heartbeat = Heartbeat(node, membership, revoking, config.heartbeat)
        self._neighbours = Neighbours(node, self.heartbeat, limits.ping)
        own = _credentials(node, membership, protocol)
        self._runner = LinkRunner(
            node, membership, self.heartbeat, self._neighbours, own, limits, self.own_key.refused
        )
        self.listening = Listening(node, scope)
        self.acceptor = Acceptor(node, self._runner, invites, limits=limits, report=report)
        connector = Connector(node, self._runner, limits=limits)
        self.dialler = PeerDialler(
            node, connector, limits=limits, report=report, key_refused=self.own_key.refused
        )
        self.direct: DirectDialler | None = None
        if config.direct:
            here = membership.own.addresses
            policy = DialPolicy(lambda: node.config.section(MeshConfig).dial)
            self.direct = DirectDialler(
                node, connector, limits=limits, own=here, policy=policy, report=report
            )
        self._waking = Waking(node, self._neighbours, self.dialler, heartbeat=config.heartbeat)
        revoking.when_expelled(self._neighbours.expel)
        node.keyring.when_changed(self._neighbours.retire)
        node.trust.when_rekeyed(self._neighbours.keep_key)

    async def listen(self, config: MeshConfig) -> None:
        """Bind the addresses of the configuration. Raises: StartError."""
        for address, key in listen_addresses(config).items():
            await self.listening.bind(address, key)

    def open(self, config: MeshConfig) -> None:
        """Answer connections and dial, from now on."""
        self.listening.open(self.acceptor)
        self.dial(config.peers)
        if self.direct is not None:
            self._scope.start_soon(self.direct.run)
        self._scope.start_soon(self._waking.run)

    def dial(self, peers: Collection[str]) -> None:
        """Keep links to the nodes at these addresses, and at no others."""
        for address in [known for known in self.dialler.targets if known not in peers]:
            self.dialler.drop(address)
        for address in dict.fromkeys(peers):
            if address not in self.dialler.targets:
                target = self.dialler.add(address)
                self._scope.start_soon(self.dialler.keep, address, target, name="dial")

    def limit(self, config: MeshConfig) -> None:
        """Read no more from each link than the configuration says."""
        self._runner.limit(config.link_frames, int(config.link_bytes))


def _credentials(node: Node, membership: Membership, protocol: tuple[int, int]) -> Credentials:
    return Credentials(
        node.id,
        node.identity,
        lambda: node.keyring.psks,
        node.instance,
        membership.own.latest,
        node.clock.now,
        node.clock.wall,
        protocol,
    )
