"""An exchange whose answers are read as an attrs class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from clawmatrix_core.exchange.exchange import Exchange
from clawmatrix_core.exchange.shapes import check_shape, read_as

if TYPE_CHECKING:
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.exchange.endpoint import Endpoint

__all__ = ["TypedExchange"]

T = TypeVar("T")


class TypedExchange(Exchange, Generic[T]):
    """What ``Node.exchange(..., answer=Rolled)`` returns: reading it gives ``Rolled``.

    A payload of another shape raises WrongShape ``bad_answer``, which names each field that is
    wrong. Leaving ``async with`` then cancels the work at the other side. Bytes are of a wrong
    shape too: a side that answers with them is read without ``answer``.
    """

    def __init__(
        self,
        answer: type[T],
        end: Endpoint,
        *,
        payload: JSON = None,
        data: bytes | None = None,
        complete: bool = False,
    ) -> None:
        """Make one, as an Exchange is made. Raises: TypeError, where ``answer`` cannot be read."""
        check_shape(answer)
        super().__init__(end, payload=payload, data=data, complete=complete)
        self._answer = answer

    async def __anext__(self) -> T:
        payload = await super().__anext__()
        return read_as(self._answer, payload, self.type, code="bad_answer")

    async def receive(self) -> T:
        """Return the next payload. Raises: ExchangeFailure ``ended``; WrongShape."""
        payload: T = await super().receive()  # which iterates, and so reads the shape
        return payload
