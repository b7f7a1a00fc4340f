"""Answers that are kept until they are whole, or held back: their bytes are counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_core.spi import ByteBudget

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ANSWERS", "UNCOUNTED", "WaitingBytes", "limit_answers", "no_memory"]

ANSWERS = Bound(
    512 * 1024 * 1024,
    "bytes of all answers that are kept until they are whole, unless `max_answers` says otherwise;"
    " of one node or model at most half",
    fed_by="an upstream or a member",
    when_full="one that has brought nothing for long ends with an error, or else the new one",
)


UNCOUNTED = Bound(
    1024 * 1024,
    "bytes of one stream that wait for the end of an event, or for the first that means something,"
    " and do not count among the answers that are kept",
    fed_by="an upstream or a member",
    when_full="all of them count",
)
_UNCOUNTED = int(UNCOUNTED)  # which is compared faster


class WaitingBytes:
    """Counts what waits of one stream, where that is much. Most streams never count any.

    Args:
        answers: counts what is kept of all answers.
        owner: the node or the model that the stream comes from.
        give_up: called where others need the bytes.
    """

    def __init__(self, answers: ByteBudget, owner: str, give_up: Callable[[], None]) -> None:
        self._answers = answers
        self._owner = owner
        self._give_up = give_up
        self._held: ByteBudget.Held | None = None

    @property
    def given_up(self) -> bool:
        """Whether others needed the bytes."""
        return self._held is not None and self._held.given_up

    def note(self, size: int) -> None:
        """Note how many bytes wait now. Raises: ExchangeFailure, where there is no memory."""
        if size > _UNCOUNTED or self._held is not None:
            self._count(size)

    def release(self) -> None:
        """Count nothing any more. Idempotent."""
        if self._held is not None:
            self._held.let_go()

    def _count(self, size: int) -> None:
        if self._held is None:
            self._held = self._answers.hold(self._owner, self._give_up)
        more = size - self._held.size
        try:
            if more < 0:
                self._held.let_go()
                more = size
            if more > 0:
                self._held.add(more)
        except ByteBudget.Exceeded:
            raise no_memory() from None


def limit_answers(answers: ByteBudget, most: int, one: int) -> ByteBudget:
    """Have all answers keep to ``most`` bytes, and one to ``one``; return what counts them."""
    answers.most = max(most, 2 * one)
    return answers


def no_memory() -> ExchangeFailure:
    """Return the error of an answer for which there is no memory left."""
    message = "the answers of others leave no memory for this one (max_answers)"
    return ExchangeFailure("answer_too_large", message)
