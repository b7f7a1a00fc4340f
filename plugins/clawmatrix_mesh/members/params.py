"""Parameters of the control methods."""

from __future__ import annotations

from typing import Any

from clawmatrix_core import ExchangeFailure

__all__ = ["required_text"]


def required_text(params: dict[str, Any], name: str) -> str:
    """Return a parameter that must be a text. Raises: ExchangeFailure."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise ExchangeFailure("bad_request", f"{name} is missing")
    return value
