"""How a request is asked for, as the configuration has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.hold import LIVE, Hold, parse_hold
from clawmatrix_model_proxy.kept_answers import ANSWERS, limit_answers
from clawmatrix_model_proxy.streams.sse import EVENT_LIMIT

if TYPE_CHECKING:
    from clawmatrix_model_proxy.config import Balance, ModelProxyConfig

__all__ = ["AskLimits", "ask_limits"]


@attrs.frozen
class AskLimits:
    """How the asking side asks. Times in seconds, sizes in bytes.

    Attributes:
        first_token: for an answer to begin, while there is another candidate.
        alone: for an answer to begin, where there is none or the model gave a sign of life.
        whole_answer: for an answer that is no stream, while there is another candidate.
        total: for everything, failed attempts among it.
        keep_alive: silence after which a client that streams gets a comment.
        max_answer: bytes of an answer that may be kept back.
        max_event: bytes of one event of a stream that are kept until it has ended.
        answers: counts the bytes of all answers that are kept back.
        balance: how candidates of equal health are put in order.
        hold: how much of each answer is kept back, unless the request says otherwise.
    """

    first_token: float = 12.0
    alone: float = 120.0
    whole_answer: float = 60.0
    total: float = 600.0
    keep_alive: float = 10.0
    max_answer: int = 64 * 1024 * 1024
    max_event: int = int(EVENT_LIMIT)
    answers: ByteBudget = attrs.field(factory=lambda: ByteBudget(int(ANSWERS)))
    balance: Balance = "order"
    hold: Hold = LIVE


def ask_limits(config: ModelProxyConfig, answers: ByteBudget) -> AskLimits:
    """Return the times, sizes and choices of the configuration."""
    return AskLimits(
        first_token=config.first_token_timeout,
        alone=config.first_byte_timeout,
        whole_answer=config.whole_answer_timeout,
        total=config.total_timeout,
        keep_alive=config.keep_alive,
        max_answer=config.max_answer,
        max_event=config.max_event,
        answers=limit_answers(answers, config.max_answers, config.max_answer),
        balance=config.balance,
        hold=parse_hold(config.hold),
    )
