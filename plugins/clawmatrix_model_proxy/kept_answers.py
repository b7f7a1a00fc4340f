"""Answers that are kept until they are whole, or held back: their bytes are counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Bound, ExchangeFailure

if TYPE_CHECKING:
    from clawmatrix_core.spi import ByteBudget

__all__ = ["ANSWERS", "limit_answers", "no_memory"]

ANSWERS = Bound(
    512 * 1024 * 1024,
    "bytes of all answers that are kept until they are whole, unless `max_answers` says otherwise;"
    " of one node or model at most half",
    fed_by="an upstream or a member",
    when_full="one that has brought nothing for long ends with an error, or else the new one",
)


def limit_answers(answers: ByteBudget, most: int, one: int) -> ByteBudget:
    """Have all answers keep to ``most`` bytes, and one to ``one``; return what counts them."""
    answers.most = max(most, 2 * one)
    return answers


def no_memory() -> ExchangeFailure:
    """Return the error of an answer for which there is no memory left."""
    message = "the answers of others leave no memory for this one (max_answers)"
    return ExchangeFailure("answer_too_large", message)
