"""Passing on frames for others: one byte is lowered, the body is not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import Lane, NodeId
from clawmatrix_core.spi import OPENING_TYPES, TTL_START, with_ttl

if TYPE_CHECKING:
    from clawmatrix_core import Frame, Link, Node, Transit
    from clawmatrix_core.spi import Flow
    from clawmatrix_relay.quotas import Quotas

__all__ = ["decline", "is_from_neighbour", "on_undeliverable", "pass_on"]

_CONTROL, _INTERACTIVE = int(Lane.CONTROL), int(Lane.INTERACTIVE)


def pass_on(node: Node, transit: Transit, quotas: Quotas) -> None:
    """Queue a frame at its next hop, or tell its origin why not. Never waits."""
    wire, header = transit.wire, transit.header
    if wire.ttl <= 1:
        _undeliverable(node, transit, "ttl")
        return
    link = node.switch.next_link(header.to)
    if link is None:
        _undeliverable(node, transit, "no_route")
    elif link is transit.link:
        _undeliverable(node, transit, "loop")
    elif (why := _queue(node, transit, link, quotas)) is not None:
        quotas.note(_flow(node, transit), why)
        _undeliverable(node, transit, "congested")
    else:
        node.counters["relayed"] += 1


def _queue(node: Node, transit: Transit, link: Link, quotas: Quotas) -> str | None:
    """Queue a frame, within its origin's limits and share; return what was in its way."""
    wire, flow = transit.wire, _flow(node, transit)
    if not quotas.admit(flow, len(wire.message)):
        return "more than this node relays for it"
    if not link.enqueue(with_ttl(wire.message, wire.ttl - 1), _lane(transit), flow):
        return f"more than the link to {link.peer} takes"
    return None


def _flow(node: Node, transit: Transit) -> Flow:
    # An origin that is no member is made up: it has no limit, and no share, of its own.
    via, origin = transit.link.peer, transit.header.source
    return (via, origin if node.directory.get(origin) is not None else via)


def decline(node: Node, transit: Transit) -> None:
    """Tell the origin of a frame that this node does not relay."""
    _undeliverable(node, transit, "no_transit")


def _lane(transit: Transit) -> int:
    # Nobody gets past the neighbours' own control frames by saying so.
    header = transit.header
    if header.lane == _CONTROL and header.type not in OPENING_TYPES:
        return _INTERACTIVE
    return header.lane


def _undeliverable(node: Node, transit: Transit, reason: str) -> None:
    header = transit.header
    node.counters[f"undeliverable_{reason}"] += 1
    if reason != "congested":  # who floods is named by the quotas
        about_it = f"a frame for {header.to} got no further: {reason}"
        node.switch.note(header.source, f"undeliverable_{reason}", about_it, transit.link)
    if header.type in OPENING_TYPES:
        return  # whoever opens a session tries again by itself
    about = {
        "from": header.source,
        "to": header.to,
        "id": header.id,
        "re": header.re,
        "seq": header.seq,
        "reason": reason,
        "ttl": TTL_START,
    }
    node.switch.send_to_neighbour(transit.link, "undeliverable", "", about)


def on_undeliverable(node: Node, frame: Frame) -> None:
    """Take a neighbour's word on a frame that got no further, or pass it back."""
    about, link = frame.payload, frame.link
    if link is None or not _is_report(about):
        node.switch.report(frame.header.source, "bad_undeliverable", "a malformed report")
        return
    taken = _take(node, link, about) if about["from"] == node.id else _hand_back(node, link, about)
    if not taken:
        node.counters["stray_report"] += 1
        node.switch.note(link.peer, "stray_report", "a report of what was not sent that way", link)


def _take(node: Node, link: Link, about: Any) -> bool:
    """Take the report of a frame of this node; False where it cannot be right."""
    to = NodeId(about["to"])
    if node.switch.next_link(to) is not link:
        return False  # frames for that node go another way; they are sent again if need be
    reason, seq, id_ = about["reason"], about["seq"], about["id"]
    if not node.exchanges.undeliverable(to, id_, re=about["re"], seq=seq, reason=reason):
        return False
    node.counters["returned"] += 1
    node.switch.note(to, "returned", f"a frame got no further: {reason}"[:80], link)
    return True


def _hand_back(node: Node, link: Link, about: Any) -> bool:
    """Pass a report on to the origin of its frame; False where there is no way back."""
    back = node.switch.next_link(NodeId(about["from"]))
    if back is None or back is link or about["ttl"] <= 1:
        return False
    about = {**about, "ttl": about["ttl"] - 1}
    node.switch.send_to_neighbour(back, "undeliverable", "", about)
    return True


_SHAPE: dict[str, type] = {
    "from": str,
    "to": str,
    "id": str,
    "re": bool,
    "seq": int,
    "reason": str,
    "ttl": int,
}


def _is_report(about: Any) -> bool:
    return isinstance(about, dict) and all(
        isinstance(about.get(name), kind) for name, kind in _SHAPE.items()
    )


def is_from_neighbour(frame: Frame, link: Link | None) -> bool:
    """Say whether the node at the other end of the link wrote the frame itself."""
    return link is not None and frame.header.source == link.peer
