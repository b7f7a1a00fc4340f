"""Keys that do not go together: two under one name, one in two places, one that is out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Finding
from clawmatrix_mesh.checks.advice import advice_for
from clawmatrix_mesh.times import utc_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_core import Node
    from clawmatrix_core.spi import Conflict
    from clawmatrix_mesh.links.own_key import OwnKey

__all__ = ["look_at_keys", "look_at_lost", "look_at_own_key", "look_at_refusals"]

_NAME = "mesh.keys"


def look_at_keys(conflicts: Iterable[Conflict]) -> Iterator[Finding]:
    """Yield the names under which more than one key was shown."""
    none = True
    for one in conflicts:
        none = False
        how = "proved it in a handshake" if one.proven else "was only heard of from others"
        last = utc_words(int(one.last_seen * 1000))
        detail = f"another key was shown as {one.node_id}; it {how}, {one.count} times, last {last}"
        accept = f"clawmatrix trust accept {one.node_id} {one.fingerprint}"
        advice = f"where {one.node_id} was installed again: {accept}; where not, find out who it is"
        yield Finding(_NAME, "problem" if one.proven else "warning", detail, advice)
    if none:
        yield Finding(_NAME, "ok", "every name has one key")


def look_at_refusals(own: OwnKey) -> Iterator[Finding]:
    """Yield who knows another key under this node's name."""
    for one in own.latest():
        last = utc_words(int(one.last * 1000))
        detail = f"{one.who} knows another key under this node's name ({one.count} times, last"
        advice = (
            f"where this node lost its state or was installed again, there: {own.remedy}; or bring"
            " back a copy of the state folder from before"
        )
        yield Finding(_NAME, "problem", f"{detail} {last})", advice)


def look_at_lost(lost: Iterable[str]) -> Iterator[Finding]:
    """Yield what of the state was gone when the node started."""
    for what in lost:
        advice = "stop the node and bring back a copy of the state folder, if there is one"
        yield Finding(_NAME, "problem", what, advice)


def look_at_own_key(node: Node) -> Iterator[Finding]:
    """Yield what is wrong with the key of a node that runs."""
    said = node.revocations.get(node.identity.sign_public)
    if said is not None:
        why = f": {said.reason}" if said.reason else ""
        detail = f"this node was revoked by {said.by} {utc_words(said.at)}{why}"
        yield Finding(_NAME, "problem", detail, advice_for("revoked"))
    if node.counters["twin"]:
        detail = "another running node uses this node's key, or one of its neighbours runs twice"
        yield Finding(_NAME, "problem", detail, advice_for("twin"))
