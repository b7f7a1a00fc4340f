"""What ``clawmatrix audit`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_audit.asking import ask_heads
from clawmatrix_core import ControlMethod, ExchangeError, ExchangeFailure, NodeId, is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_audit.book import AuditBook
    from clawmatrix_audit.head import Head
    from clawmatrix_core import JSON, Node

__all__ = ["AuditMethods"]


class AuditMethods:
    """The methods of a node; ``book`` returns what it writes to, None where there is nothing."""

    def __init__(self, node: Node, book: Callable[[], AuditBook | None]) -> None:
        self._node, self._book = node, book

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [ControlMethod("audit.heads", call=self.heads)]

    async def heads(self, params: dict[str, JSON]) -> JSON:
        """Return this node's own newest head, and those that the node ``node`` holds of it.

        Raises: ExchangeFailure, where that node is not known, or does not answer.
        """
        book = self._book()
        if book is None:
            raise ExchangeFailure("no_audit", "this node writes nothing down")
        held: list[JSON] = []
        unsigned = 0
        if (name := params.get("node")) is not None:
            for head in await self._asked(name, book.head.chain):
                if self._is_own(head):
                    held.append(head.encode().decode())
                else:
                    unsigned += 1
        return {"own": book.head.encode().decode(), "held": held, "unsigned": unsigned}

    async def _asked(self, name: JSON, chain: str) -> Sequence[Head]:
        if not isinstance(name, str) or not is_node_id(name):
            raise ExchangeFailure("bad_params", "node: expected the name of a node")
        if self._node.directory.get(NodeId(name)) is None:
            raise ExchangeFailure("unknown_node", f"no node is named {name}")
        try:
            return await ask_heads(self._node, NodeId(name), chain)
        except ExchangeError as error:
            raise ExchangeFailure(
                "unreachable", f"{name} does not tell its heads: {error}"
            ) from None

    def _is_own(self, head: Head) -> bool:
        """Say whether this node signed a head, with the key it has or one it had."""
        own = self._node.directory.get(self._node.id)
        past = () if own is None else own.record.past_keys()
        keys = (self._node.identity.sign_public, *past)
        return any(head.is_signed_by(key) for key in keys)
