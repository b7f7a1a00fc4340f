"""The checks of the mesh plugin while its node runs, from what the links have seen so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Check, Finding
from clawmatrix_mesh.addresses import with_address
from clawmatrix_mesh.checks.advice import OF_MEMBERS, RECENT, advice_for
from clawmatrix_mesh.checks.clocks import look_at_clocks
from clawmatrix_mesh.checks.introducers import look_at_introducers
from clawmatrix_mesh.checks.keys import (
    look_at_keys,
    look_at_lost,
    look_at_own_key,
    look_at_refusals,
)
from clawmatrix_mesh.checks.revocations import look_at_revokers, look_at_waiting
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.members.revocation_methods import waiting_json
from clawmatrix_mesh.times import utc_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from clawmatrix_core import Node
    from clawmatrix_mesh.links.admission import RefusedConnection
    from clawmatrix_mesh.links.dialler import DialTarget
    from clawmatrix_mesh.links.flapping import Flap
    from clawmatrix_mesh.links.links import Links

__all__ = ["live_checks", "look_at_dials", "look_at_flaps", "look_at_refused"]

_PEER = "mesh.peer"
_FLAPS = "look at the log of both nodes, and at the network between them"
_VANISHES = (
    "packets vanish on the way: a firewall or NAT may forget idle connections (set a shorter [mesh]"
    " heartbeat), or drop large packets (set a smaller MTU, or net.ipv4.tcp_mtu_probing = 1)"
)


def live_checks(node: Node, links: Links | None) -> list[Check]:
    """Return the checks of a node that runs; ``links`` is None while the plugin does not."""

    async def listen() -> Sequence[Finding]:
        bound = ", ".join(links.listening.bound if links else ())
        if not bound:
            return [Finding("mesh.listen", "skipped", "this node only dials")]
        listens = Finding("mesh.listen", "ok", f"listens at {bound}")
        own = node.directory.get(node.id)
        if own is None or own.record.addresses or not _has_relayed(node):
            return [listens]
        return [listens, _unknown_address(bound)]

    async def peers() -> Sequence[Finding]:
        linked = frozenset(map(str, node.links))
        targets = links.dialler.targets.values() if links else ()
        refused = links.acceptor.refused.latest() if links else ()
        return [*look_at_dials(targets, linked), *look_at_refused(refused, node.clock.wall())]

    async def clocks() -> Sequence[Finding]:
        told = {peer: link.ahead for peer, link in node.links.items()}
        return list(look_at_clocks({p: ahead for p, ahead in told.items() if ahead is not None}))

    async def keys() -> Sequence[Finding]:
        own = look_at_refusals(links.own_key) if links else ()
        lost = look_at_lost(node.trust.lost)
        return [*look_at_own_key(node), *own, *lost, *look_at_keys(node.trust.conflicts())]

    async def flapping() -> Sequence[Finding]:
        return list(look_at_flaps(links.flaps.latest(node.clock.wall()) if links else ()))

    async def introducers() -> Sequence[Finding]:
        named = node.config.section(MeshConfig).introducers
        return list(look_at_introducers(named, node))

    async def revocations() -> Sequence[Finding]:
        named = node.config.section(MeshConfig).revokers.keys
        findings = look_at_revokers(named, (node.id, node.identity.sign_public), node.trust.keys)
        return [*findings, *look_at_waiting(waiting_json(node))]

    return [
        Check("mesh.listen", listen),
        Check(_PEER, peers),
        Check("mesh.flapping", flapping),
        Check("mesh.clock", clocks),
        Check("mesh.keys", keys),
        Check("mesh.introducers", introducers),
        Check("mesh.revocations", revocations),
    ]


def _has_relayed(node: Node) -> bool:
    return any(name not in node.links for name in node.routes)


def _unknown_address(bound: str) -> Finding:
    detail = f"it listens at {bound} and tells nobody an address: some reach it over relays only"
    advice = "set [mesh] advertise to what others can dial, such as wss://HOST:PORT"
    return Finding("mesh.listen", "warning", detail, advice)


def look_at_dials(targets: Iterable[DialTarget], linked: frozenset[str]) -> Iterator[Finding]:
    """Yield what became of each address that is dialled."""
    none = True
    for target in targets:
        none = False
        address = target.address
        if target.node_id in linked and not target.error:
            yield Finding(_PEER, "ok", f"{address}: linked to {target.node_id}")
        elif target.error:
            advice = advice_for(target.reason)
            yield Finding(_PEER, "problem", with_address(address, target.error), advice)
        else:
            detail = f"{address}: there is no link yet, and no answer"
            yield Finding(_PEER, "warning", detail, "look again in a moment")
    if none:
        yield Finding(_PEER, "skipped", "there are no addresses in [mesh] peers")


def look_at_flaps(flaps: Iterable[Flap]) -> Iterator[Finding]:
    """Yield the links that open and close again and again."""
    for one in flaps:
        advice = _VANISHES if one.is_silent else _FLAPS
        yield Finding("mesh.flapping", "warning", str(one), advice)


def look_at_refused(refused: Iterable[RefusedConnection], now: float) -> Iterator[Finding]:
    """Yield who was refused lately for a reason that only members have."""
    for one in refused:
        if one.reason in OF_MEMBERS and now - one.last < RECENT:
            times = f"{one.count} times, last {utc_words(int(one.last * 1000))}"
            detail = f"refused: {one.message} ({times})"
            yield Finding("mesh.refused", "problem", detail, advice_for(one.reason))
