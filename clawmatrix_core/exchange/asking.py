"""Opening exchanges with other nodes, as ``Node.exchange`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.exchange.exchanges import Exchanges
    from clawmatrix_core.exchange.typed import TypedExchange

__all__ = ["Asker"]

T = TypeVar("T")


class Asker:
    """What asks other nodes.

    Attributes:
        exchanges: the exchanges that it opens.
    """

    exchanges: Exchanges

    @overload
    def exchange(
        self,
        to: NodeId | str,
        type_: str,
        payload: JSON = None,
        *,
        answer: None = None,
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange: ...
    @overload
    def exchange(
        self,
        to: NodeId | str,
        type_: str,
        payload: JSON = None,
        *,
        answer: type[T],
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> TypedExchange[T]: ...
    def exchange(
        self,
        to: NodeId | str,
        type_: str,
        payload: JSON = None,
        *,
        answer: type[T] | None = None,
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange | TypedExchange[T]:
        """Open an exchange with a node: ``async with node.exchange(...) as ex``.

        ``payload`` is JSON or an instance of an attrs class, and ``answer`` the attrs class that
        payloads of the other side are read as; without it they are JSON and bytes. ``data`` are
        bytes that go with the payload in one frame. ``complete`` says that this is the whole
        request; else ``send`` and ``finish`` follow. ``deadline`` is in seconds.

        Raises: TypeError, where ``answer`` is no class that a payload can be read as.
        """
        return self.exchanges.open(
            NodeId(to),
            type_,
            payload,
            answer=answer,
            data=data,
            complete=complete,
            deadline=deadline,
            lane=lane,
        )
