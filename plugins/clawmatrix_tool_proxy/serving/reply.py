"""The end of an answer: the outcome of a call, its result, and the head of the audit here."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import ExchangeError
from clawmatrix_tool_proxy.wire import INLINE, LastHead, Outcome

if TYPE_CHECKING:
    from clawmatrix_core import Exchange

__all__ = ["Reply"]


class Reply:
    """Says how a call ended. An outcome that is small goes out before its end is written down.

    Whoever called has the result then, and does not wait for the disk here; the head of the audit
    follows it.
    """

    def __init__(self, ex: Exchange) -> None:
        self._ex = ex
        self._told = False

    async def tell(self, outcome: Outcome, encoded: bytes) -> None:
        """Send an outcome, where it is small enough; ``encoded`` is its result as JSON."""
        if len(encoded) > INLINE:
            return
        self._told = True
        with suppress(ExchangeError):  # nobody waits any more: ``finish`` sees that, too
            told = msgspec.structs.replace(outcome, audit_follows=True)
            await self._ex.send(msgspec.to_builtins(told))

    async def finish(self, outcome: Outcome, encoded: bytes) -> None:
        """Send what is left to send, and end the exchange. Raises: ExchangeError."""
        if self._told:
            await self._ex.finish(msgspec.to_builtins(LastHead(outcome.audit)))
        elif len(encoded) <= INLINE:
            await self._ex.finish(msgspec.to_builtins(outcome))
        else:
            head = msgspec.structs.replace(outcome, result=None, result_bytes=len(encoded))
            await self._ex.finish(msgspec.to_builtins(head), encoded)
