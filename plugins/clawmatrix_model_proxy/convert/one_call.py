"""One call at a time, for a client that wants it so and an upstream that cannot be told.

The calls behind the first are left out. The model asks for them again when it has the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.neutral.answer import Close, Delta, Open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import StreamReader

__all__ = ["OneCallReader", "with_one_call"]

_CALLS = ("tool", "free_tool")


def with_one_call(answer: NeutralAnswer) -> NeutralAnswer:
    """Return a whole answer without the calls behind the first."""
    calls = [at for at, block in enumerate(answer.blocks) if block.kind in _CALLS]
    rest = frozenset(calls[1:])
    blocks = tuple(block for at, block in enumerate(answer.blocks) if at not in rest)
    return msgspec.structs.replace(answer, blocks=blocks)


@attrs.define
class OneCallReader:
    """Reads a stream with another reader, and leaves out the calls behind the first."""

    inner: StreamReader
    _numbers: dict[int, int] = attrs.field(factory=dict)
    _called: bool = False

    @property
    def finished(self) -> bool:
        """See StreamReader."""
        return bool(getattr(self.inner, "finished", False))

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """See StreamReader."""
        return list(self._kept(self.inner.read(payload)))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """See StreamReader."""
        return list(self._kept(self.inner.done(marked=marked)))

    def _kept(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Open):
                if event.kind in _CALLS:
                    if self._called:
                        continue
                    self._called = True
                self._numbers[event.index] = len(self._numbers)
            if not isinstance(event, Open | Delta | Close):
                yield event
            elif event.index in self._numbers:
                yield msgspec.structs.replace(event, index=self._numbers[event.index])
