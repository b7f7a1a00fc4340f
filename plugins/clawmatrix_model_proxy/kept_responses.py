"""What is kept over restarts of responses that upstreams keep: ids, and who and where; no content.

``asked`` is this node's part as the one that asks, ``owned`` its part as the one that serves.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import LocalProtocolError, StateError
from clawmatrix_model_proxy.asking.previous_responses import PreviousResponses
from clawmatrix_model_proxy.serving.owners import OwnedIds, Owners

if TYPE_CHECKING:
    from clawmatrix_core import JSON, State, StateWriter

__all__ = ["RESPONSES", "KeptResponses"]

RESPONSES = "model-responses"
"""The state file."""
INTERVAL = 1.0
"""Seconds between two looks for a change that is to be written."""


class _Stored(msgspec.Struct):
    asked: list[tuple[str, str, str, int]] = []
    owned: list[OwnedIds] = []


class KeptResponses:
    """Both tables.

    Attributes:
        asked: which target gave which response.
        owned: whose the responses are that upstreams of this node gave.
    """

    def __init__(self) -> None:
        self.asked, self.owned = PreviousResponses(), Owners()
        self._written = self._mark

    @property
    def _mark(self) -> tuple[int, int]:
        return self.asked.mark, self.owned.mark

    def load(self, state: State) -> None:
        """Take over what is stored. Raises: StateError, where that cannot be used."""
        stored = state.read(RESPONSES)
        try:
            read = _Stored() if stored is None else msgspec.convert(stored, _Stored)
        except msgspec.ValidationError as error:
            raise StateError(f"{state.locate(RESPONSES)} is damaged: {error}") from None
        self.asked.restore(read.asked)
        self.owned.restore(read.owned)
        self._written = self._mark

    async def run(self, writer: StateWriter) -> None:
        """Have changes written, until cancelled, and the last of them then."""
        try:
            while True:
                await anyio.sleep(INTERVAL)
                self._write(writer)
        finally:
            self._write(writer)

    def _write(self, writer: StateWriter) -> None:
        if self._mark == self._written:
            return
        self._written = self._mark
        stored: JSON = msgspec.to_builtins(_Stored(self.asked.to_state(), self.owned.to_state()))
        with suppress(LocalProtocolError):  # the node stops
            writer.write_soon(RESPONSES, stored)
