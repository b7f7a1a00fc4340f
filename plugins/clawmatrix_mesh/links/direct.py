"""Direct links between nodes that talk through a relay.

A node that talks to another one over a relay, and knows an address of it from its record,
dials that now and then. The link is like any other: routes move to it where it is the shorter
way, frames that were not acknowledged are sent again, and when the link is lost the routes lead
over the relay again. A link that closes because its secret is no longer in force is made again
at once, with the new one: the relay may have gone since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import ConnectionLost, DialError, shown_address
from clawmatrix_core.spi import CloseCode, HandshakeError, stray
from clawmatrix_mesh.addresses import check_advertised, without_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core import Link, Node, NodeId, Peer
    from clawmatrix_mesh.links.advertised import DialPolicy
    from clawmatrix_mesh.links.connector import Connector
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.limits import LinkLimits

__all__ = ["DirectDialler", "Upgrade"]

_TALKING = 10.0
"""Seconds for which having heard a node counts as talking to it."""
_ADDRESSES = 4
"""Addresses of one record that are tried."""
_REMEMBERED = 4096
"""Nodes whose tries are remembered at most."""


class Upgrade(msgspec.Struct):
    """The tries to have a link to one node, and what became of them.

    Attributes:
        addresses: those tried, from its record.
        not_before: the clock's time of the next try at the earliest.
        failures: tries in a row that led to no link.
        error: why the last one failed, None where it did not.
    """

    addresses: tuple[str, ...] = ()
    not_before: float = float("-inf")
    failures: int = 0
    error: str | None = None


class DirectDialler:
    """Tries direct links: a few at the same time, and each node again only after a wait.

    Attributes:
        upgrades: by node.
    """

    def __init__(
        self,
        node: Node,
        connector: Connector,
        *,
        limits: LinkLimits,
        own: Callable[[], Iterable[str]],
        policy: DialPolicy,
        report: Callable[[str, Exception, str], None],
    ) -> None:
        self.upgrades: dict[NodeId, Upgrade] = {}
        self._node = node
        self._connector = connector
        self._limits = limits
        self._own = own
        self._policy = policy
        self._report = report
        self._log = node.logger("mesh")
        self._trying: set[NodeId] = set()
        self._held: set[NodeId] = set()

    async def run(self) -> None:
        """Look now and then who could be reached directly, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.sleep(self._limits.direct_look)
                for peer in self._due():
                    tasks.start_soon(self._try, peer)

    # --- whom

    def _due(self) -> list[Peer]:
        """Return whom to try now, each marked as being tried."""
        due = []
        for name in sorted(self._talked_to()):
            busy = len(self._trying) >= self._limits.direct_tries
            if busy or len(self._trying) + len(self._held) >= self._limits.direct_most:
                break
            peer = self._node.directory.get(name)
            if peer is not None and self._is_due(peer):
                self._trying.add(name)
                due.append(peer)
        return due

    def _talked_to(self) -> set[NodeId]:
        """Return the nodes behind relays that have proved their keys and are talked to."""
        node = self._node
        since = node.clock.now() - _TALKING
        recent = {name for name, at in node.heard.items() if at >= since}
        asked = {exchange.peer for exchange in node.exchanges.live} & node.heard.keys()
        near = {node.id, *node.links, *self._trying, *self._held}
        return {name for name in (recent | asked) - near if name in node.routes}

    def _is_due(self, peer: Peer) -> bool:
        addresses = self._usable(peer)
        upgrade = self.upgrades.get(peer.node_id)
        if upgrade is None or upgrade.addresses != addresses:
            # New addresses start anew, but no sooner: a record may change all the time.
            last = upgrade.not_before if upgrade is not None else float("-inf")
            soonest = min(last, self._node.clock.now() + self._limits.direct_gap)
            upgrade = self._remember(peer.node_id, Upgrade(addresses, soonest))
            self._report_unfit(peer)
        return bool(addresses) and self._node.clock.now() >= upgrade.not_before

    def _remember(self, name: NodeId, upgrade: Upgrade) -> Upgrade:
        self.upgrades.pop(name, None)
        while len(self.upgrades) >= _REMEMBERED:
            del self.upgrades[next(iter(self.upgrades))]
        self.upgrades[name] = upgrade
        return upgrade

    def _usable(self, peer: Peer) -> tuple[str, ...]:
        own = set(self._own())
        usable = (one for one in peer.record.addresses if one not in own and self._can_dial(one))
        return tuple(dict.fromkeys(usable))[:_ADDRESSES]

    def _report_unfit(self, peer: Peer) -> None:
        """Count an address that no honest node advertises."""
        for address in peer.record.addresses:
            try:
                check_advertised(address)
            except ValueError as error:
                self._node.switch.report(peer.node_id, "bad_address", str(error))
                return

    def _can_dial(self, address: str) -> bool:
        try:
            check_advertised(address)
        except ValueError:
            return False
        return address.partition("://")[0] in self._node.transports

    # --- how

    async def _try(self, peer: Peer) -> None:
        """Dial the addresses of a node until one leads to it; see the link through."""
        name = peer.node_id
        upgrade = self.upgrades.setdefault(name, Upgrade(self._usable(peer)))
        self._postpone(upgrade)
        try:
            for address in upgrade.addresses:
                if name in self._connector.neighbours or await self._dial(address, peer, upgrade):
                    break
        finally:
            self._trying.discard(name)
            self._held.discard(name)

    async def _dial(self, address: str, peer: Peer, upgrade: Upgrade) -> bool:
        """Return whether there is, or was, a link."""
        name = peer.node_id

        def reached(_: Proved) -> None:
            upgrade.failures, upgrade.error = 0, None
            self._trying.discard(name)
            self._held.add(name)
            self._log.info("%s is reached directly, at %s", name, shown_address(address))

        key = peer.record.channel_key_bytes()
        try:
            again = True
            while again:
                link = await self._connector.dial(
                    address, reached=reached, expect=key, objection=self._policy.objection
                )
                again = self._went_with_its_secret(link)
        except HandshakeError as error:
            if error.reason == "duplicate":
                return True
            upgrade.error = without_address(error, address)
        except (DialError, ConnectionLost) as error:
            upgrade.error = without_address(error, address)
            if getattr(error, "reason", "") == "not_permitted":
                self._node.counters["not_permitted"] += 1
        except BaseException as error:  # the relay is still there
            if (fault := stray(error)) is None:
                raise
            upgrade.error = without_address(fault, address) or type(fault).__name__
            self._report(address, fault, "direct dial")
        return name in self._held

    def _went_with_its_secret(self, link: Link) -> bool:
        """Say whether only that closed a link; one that held for a while, lest they take turns."""
        held = self._node.clock.now() - link.opened
        return link.end_code == CloseCode.WRONG_SECRET and held > self._limits.steady

    def _postpone(self, upgrade: Upgrade) -> None:
        limits = self._limits
        wait = min(limits.direct_gap_most, limits.direct_gap * 2**upgrade.failures)
        spread = self._node.random.uniform(1.0, 1.2)
        upgrade.not_before = self._node.clock.now() + wait * spread
        upgrade.failures = min(upgrade.failures + 1, 16)
