"""How long an upstream may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream

__all__ = ["Budgets"]


@attrs.frozen
class Budgets:
    """How long an upstream may take, in seconds.

    Attributes:
        connect: to accept a connection.
        first_byte: from the request to the first byte of the answer's body.
        idle: between two pieces of the body, or two events of a stream.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 30.0

    def of(self, model: ModelUpstream) -> Budgets:
        """Return those of a model, which may have a limit of its own."""
        own = model.idle_timeout
        return self if own is None else attrs.evolve(self, idle=own)
