"""Heads over the mesh: a node asks another one what that one holds of its audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_audit.frame_types import HEADS
from clawmatrix_audit.head import Head
from clawmatrix_core import Bound, NodeId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_audit.held_heads import HeldHeads
    from clawmatrix_core import Exchange, Node

__all__ = ["ANSWERS", "answer_heads", "ask_heads"]

ANSWERS = Bound(
    256,
    "heads that are read of one node's answer",
    fed_by="a member",
    when_full="those behind them are not asked for",
)
_PATIENCE: Final = 15.0


@attrs.frozen
class HeadsRequest:
    """Asks for all heads of the asker, and of the chain with that word."""

    chain: str


@attrs.frozen
class HeldHead:
    """One head, as JSON text."""

    head: str


async def answer_heads(ex: Exchange, held: HeldHeads) -> None:
    """Tell a node what is held of its audit: by the key it has proved, and by its chain."""
    request = ex.request_as(HeadsRequest)
    if ex.peer_key is not None:
        for head in held.of(ex.peer_key, request.chain):
            await ex.send(HeldHead(head.encode().decode()))


async def ask_heads(node: Node, peer: NodeId, chain: str) -> Sequence[Head]:
    """Return what another node holds of this node's audit. Raises: ExchangeError."""
    found = []
    request = HeadsRequest(chain)
    async with node.exchange(
        peer, HEADS, request, answer=HeldHead, complete=True, deadline=_PATIENCE
    ) as ex:
        async for held in ex:
            try:
                found.append(Head.decode(held.head.encode()))
            except ValueError:
                continue  # it proves nothing
            if len(found) >= ANSWERS:
                break
    return found
