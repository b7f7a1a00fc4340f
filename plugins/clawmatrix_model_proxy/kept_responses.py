"""What is kept of responses that were given: over restarts ids, and who and where; no content.

``asked`` is this node's part as the one that asks, ``owned`` its part as the one that serves.
Answers that no upstream keeps are remembered in memory only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import LocalProtocolError, StateError, StateWriter
from clawmatrix_core.spi import Bell
from clawmatrix_model_proxy.asking.later_recollection import LaterRecollection
from clawmatrix_model_proxy.asking.previous_responses import PreviousResponses
from clawmatrix_model_proxy.config import ModelProxyConfig
from clawmatrix_model_proxy.serving.owners import OwnedIds, Owners

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Node, PluginScope, State

__all__ = ["RESPONSES", "KeptResponses"]

RESPONSES = "model-responses"
"""The state file."""
INTERVAL = 1.0
"""Seconds between two writes; after a quiet time a change is written at once."""


class _Stored(msgspec.Struct):
    asked: list[tuple[str, str, str, int]] = []
    owned: list[OwnedIds] = []


class KeptResponses:
    """Both tables.

    Attributes:
        asked: which target gave which response.
        owned: the owners of the responses that upstreams of this node gave.
    """

    def __init__(self) -> None:
        self._changed = Bell()
        self.asked = PreviousResponses(changed=self._changed.ring)
        self.owned = Owners(changed=self._changed.ring)
        self._recollection: LaterRecollection | None = None
        self._written = self._mark

    def recollection(self, node: Node) -> LaterRecollection:
        """Return what remembers answers that no upstream keeps. It is in memory only."""
        if self._recollection is None:
            config = node.config.section(ModelProxyConfig)
            limits = config.remember, config.remember_for
            self._recollection = LaterRecollection(node.clock.now, *limits)
        return self._recollection

    def use(self, node: Node) -> None:
        """Take over how much is remembered, as the configuration has it now."""
        config = node.config.section(ModelProxyConfig)
        self.recollection(node).use(config.remember, config.remember_for)

    async def start(self, node: Node, scope: PluginScope) -> None:
        """Take over what is stored, and keep it from now on. Raises: StateError."""
        self.load(node.state)
        writer = StateWriter(node.state, every=INTERVAL, on_error=scope.report)
        scope.start_soon(self.run, await scope.enter(writer))
        scope.start_soon(self.recollection(node).run)

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
        """Have changes written at once or soon, until cancelled, and the last of them then."""
        try:
            while True:
                if self._mark == self._written:
                    await self._changed.wait()
                self._write(writer)
                await anyio.sleep(INTERVAL)
        finally:
            self._write(writer)

    def _write(self, writer: StateWriter) -> None:
        if self._mark == self._written:
            return
        self._written = self._mark
        stored: JSON = msgspec.to_builtins(_Stored(self.asked.to_state(), self.owned.to_state()))
        with suppress(LocalProtocolError):  # the node stops
            writer.write_soon(RESPONSES, stored)
