"""What ``clawmatrix audit`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_audit.asking import ask_heads
from clawmatrix_core import ControlMethod, ExchangeFailure, NodeId, is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable

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

        Raises: ExchangeFailure; ExchangeError, where that node cannot be asked.
        """
        book = self._book()
        if book is None:
            raise ExchangeFailure("no_audit", "this node writes nothing down")
        name = params.get("node")
        held: list[JSON] = []
        unsigned = 0
        if name is not None:
            if not isinstance(name, str) or not is_node_id(name):
                raise ExchangeFailure("bad_params", "node: expected the name of a node")
            for head in await ask_heads(self._node, NodeId(name), book.head.chain):
                if self._is_own(head):
                    held.append(head.encode().decode())
                else:
                    unsigned += 1
        return {"own": book.head.encode().decode(), "held": held, "unsigned": unsigned}

    def _is_own(self, head: Head) -> bool:
        """Say whether this node signed a head, with the key it has or one it had."""
        own = self._node.directory.get(self._node.id)
        past = () if own is None else own.record.past_keys()
        keys = (self._node.identity.sign_public, *past)
        return any(head.is_signed_by(key) for key in keys)
