"""How a request is asked for, as the configuration has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.asking.response import AskLimits
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.kept_answers import limit_answers

if TYPE_CHECKING:
    from clawmatrix_core.spi import ByteBudget
    from clawmatrix_model_proxy.config import ModelProxyConfig

__all__ = ["ask_limits"]


def ask_limits(config: ModelProxyConfig, answers: ByteBudget) -> AskLimits:
    """Return the times, sizes and choices of the configuration."""
    return AskLimits(
        first_token=config.first_token_timeout,
        alone=config.first_byte_timeout,
        total=config.total_timeout,
        keep_alive=config.keep_alive,
        max_answer=config.max_answer,
        answers=limit_answers(answers, config.max_answers, config.max_answer),
        balance=config.balance,
        hold=parse_hold(config.hold),
    )
