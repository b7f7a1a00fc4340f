"""The calls of tools in a stream of chat completions, gathered for a whole answer of the same API.

``Calls`` decides which pieces belong together, as it does for a stream that is converted. Whatever
else a piece has, such as a seal, stays on its call.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.tool_calls import Calls
from clawmatrix_model_proxy.convert.chat.usage import read_reason
from clawmatrix_model_proxy.convert.whole_calls import WholeCalls
from clawmatrix_model_proxy.neutral.answer import Delta, Finish

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from clawmatrix_model_proxy.convert.chat.call_pieces import Call
    from clawmatrix_model_proxy.neutral.answer import Event

__all__ = ["GatheredCalls"]

Fields = dict[str, Any]
_READ = frozenset(
    {"index", "id", "type", "function", "custom", "name", "arguments", "input"},
)
"""Members of a piece that ``Calls`` reads."""


class GatheredCalls:
    """The calls of one choice."""

    def __init__(
        self, join: Callable[[Fields, Fields], None], answer_id: str, tools: Collection[str] = ()
    ) -> None:
        """Begin without calls.

        Args:
            join: adds the other members of a piece to those of the pieces before it.
            answer_id: the answer's id, of which ids are made for calls that have none.
            tools: the names that calls may have, empty where they are not known.
        """
        self._join = join
        self._calls = Calls(itertools.count().__next__, lambda id, seal: None)
        self._calls.answer_id, self._calls.tools = answer_id, tools
        self._events: list[Event] = []
        self._more: dict[Call, Fields] = {}  # in the order in which the calls began

    def read(self, pieces: Any) -> None:
        """Take the pieces in one delta. Raises: BadAnswer."""
        if not isinstance(pieces, list):
            self._calls.read(pieces, self._events)  # which says what is wrong with it
        for piece in filter(None, pieces):
            self._calls.read([piece], self._events)
            call = self._calls.last
            assert call is not None
            more = self._more.setdefault(call, {})
            self._join(more, {name: piece[name] for name in piece if name not in _READ})

    def whole(self, reason: object) -> list[Fields]:
        """Return the calls of an answer that ended for a reason. Raises: BadAnswer."""
        if not self._more:
            return []
        self._calls.close(self._events)
        said, _ = read_reason(reason or "stop", self._calls.kinds, None)
        checks, texts = WholeCalls(), dict[int, list[str]]()
        for event in (*self._events, Finish(said)):
            checks.take(event)
            if isinstance(event, Delta):
                texts.setdefault(event.index, []).append(event.text)
        return [_written(call, texts, more) for call, more in self._more.items()]


def _written(call: Call, texts: dict[int, list[str]], more: Fields) -> Fields:
    assert call.block is not None
    kind, member = ("custom", "input") if call.free else ("function", "arguments")
    said = {"name": call.name, member: "".join(texts.get(call.block, ()))}
    return {"id": call.id, "type": kind, kind: said, **more}
