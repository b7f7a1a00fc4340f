"""What the mesh plugin runs while its node runs: members, links and invitations, wired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import StartError, StateError, __version__
from clawmatrix_mesh.config import USUAL_HEARTBEAT, MeshConfig
from clawmatrix_mesh.invite.invitations import Invitations
from clawmatrix_mesh.invite.inviting import Inviter
from clawmatrix_mesh.links.healing import healed_within
from clawmatrix_mesh.links.links import Links
from clawmatrix_mesh.links.own_addresses import OwnAddresses
from clawmatrix_mesh.links.preamble import PROTOCOL
from clawmatrix_mesh.members.introducing import Introducing
from clawmatrix_mesh.members.membership import Membership
from clawmatrix_mesh.members.revoking import Revoking
from clawmatrix_mesh.neighbour_frames import NeighbourFrames

if TYPE_CHECKING:
    from clawmatrix_core import Link, Node, PluginScope
    from clawmatrix_mesh.links.limits import LinkLimits

__all__ = ["RunningMesh"]

_HOURLY = 3600.0


class RunningMesh:
    """The parts of the plugin, from ``start_plugin`` on.

    Raises: StartError, where the invitations in the state folder cannot be used.

    Attributes:
        advertised: gives the addresses that stand in this node's record.
        membership: writes the node's record, and spreads all records.
        revoking: spreads revocations.
        introducing: asks introducers, and tells others whom this node vouches for.
        invitations: those that this node made.
        links: makes and keeps the links.
        frames: takes the frames between neighbours.
        scope: what all of it runs in.
    """

    def __init__(
        self, node: Node, scope: PluginScope, *, limits: LinkLimits, protocol: tuple[int, int]
    ) -> None:
        self._node = node
        self.scope = scope
        config = node.config.section(MeshConfig)
        if config.heartbeat > USUAL_HEARTBEAT:
            node.exchanges.outlast(healed_within(config.heartbeat, limits))
        self.advertised = OwnAddresses(
            lambda: node.config.section(MeshConfig).advertise,
            lambda: self.links.listening.bound,
            node.clock.now,
        )
        self.invitations = _load_invitations(node)
        self.membership = Membership(
            node,
            version=__version__,
            protocol=PROTOCOL,
            addresses=self.advertised,
            key_refused=lambda who: self.links.own_key.refused(who),
        )
        self.revoking = Revoking(node, let_in=self._ask_neighbours)
        self.introducing = Introducing(node, self._ask_neighbours, limits.introductions)
        self.revoking.when_expelled(lambda _: self.introducing.settle())
        inviter = Inviter(node, self.invitations)
        self.links = Links(
            node,
            scope,
            self.membership,
            self.revoking,
            inviter,
            limits=limits,
            protocol=protocol,
        )
        self.frames = NeighbourFrames(node, self.links.heartbeat, self.membership, self.revoking)

    async def start(self) -> None:
        """Write the first record, and bind where to listen. Raises: StartError."""
        config = self._node.config.section(MeshConfig)
        for lost in self._node.trust.lost:
            self._node.logger("mesh").warning("%s", lost)
        self._node.revocations.name_revokers(config.revokers.keys)
        self._node.revocations.settle()  # nobody is a member yet
        self.introducing.name(config.introducers)
        self.membership.own.write()
        await self.links.listen(config)
        self.scope.start_soon(self.membership.own.run)
        self.scope.start_soon(self.membership.spreading.run)
        self.scope.start_soon(self.membership.run_intake)
        self.scope.start_soon(self.revoking.run)
        self.scope.start_soon(self.introducing.run)
        self.scope.start_soon(self._forget_hourly)

    def open(self) -> None:
        """Let others in, and dial."""
        self.membership.own.write()  # some of what it says is known only now
        self.links.open(self._node.config.section(MeshConfig))

    def _ask_neighbours(self) -> None:
        """Ask for records that were refused: those of members that may come in again."""
        for link in tuple(self._node.links.values()):
            self.membership.send_digest(link)

    def greet(self, link: Link) -> None:
        """Tell a new neighbour which records and revocations are known here."""
        if link.closing is None:
            self.membership.send_digest(link)
            self.revoking.greet(link)

    def reconfigure(self, changed: frozenset[str]) -> None:
        """Take over what was changed in the configuration."""
        config = self._node.config.section(MeshConfig)
        self.links.limit(config)
        if "mesh.revokers" in changed:
            self._node.revocations.name_revokers(config.revokers.keys)
            self.revoking.settle()
            self.links.dialler.hurry()
        if "mesh.introducers" in changed:
            self.introducing.name(config.introducers)
        if changed & {"tags", "mesh.advertise", "mesh.revokers"}:
            self.membership.own.touch()
        if "mesh.peers" in changed:
            self.links.dial(config.peers)
        if changed & {"secret", "previous_secrets"}:
            self.links.dialler.hurry()

    async def _forget_hourly(self) -> None:
        while True:
            try:
                self.invitations.tidy()
            except StateError as error:  # it is tried again
                self._node.logger("mesh").warning("old invitations are kept: %s", error)
            await anyio.sleep(_HOURLY)
            self.membership.forget_old()


def _load_invitations(node: Node) -> Invitations:
    try:
        return Invitations(node.state, wall=node.clock.wall)
    except StateError as error:
        raise StartError(str(error), exit_code=4) from None
