"""Requests that are refused: counted, and logged once in a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import RateLimitedLogger
from clawmatrix_core.spi import source_of

if TYPE_CHECKING:
    import logging

    from clawmatrix_core import Node
    from clawmatrix_http.api import HttpRefusal

__all__ = ["Refusals"]


class Refusals:
    """Counts what is refused in the node's ``refused``, as ``http_`` and a short word."""

    def __init__(self, node: Node, logger: logging.Logger) -> None:
        self._node = node
        self._log = RateLimitedLogger(logger, clock=node.clock.now)

    def note(self, client: str, reason: str, text: str) -> None:
        """Count and log what a client did."""
        self._node.counters[f"http_{reason}"] += 1
        self._log.warning((source_of(f"{client}:0"), reason), "refused %s: %s", client, text)

    def guarded(self, client: str, refusal: HttpRefusal) -> None:
        """Count and log a request that the guard refused."""
        self.note(client, refusal.code, refusal.message)
