"""Answers cut where they have to stop, for upstreams that cannot be told where.

Only what an answer says is looked at: never the arguments of a call, never a thought. The text is
one, even where it comes in several blocks. Behind the cut the answer has its end, whatever else the
upstream says; what it took is an estimate then, unless the upstream said it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.stops import StopFinder
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Gathered,
    Open,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.estimate import tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import StreamReader

__all__ = ["StopReader", "cut_answer"]

_CALLS = ("tool", "free_tool")


class _Cutter:
    """Takes the events of an answer, and gives those of the answer that is cut.

    What may be the beginning of a sequence waits in a queue, with all that came behind it.
    """

    def __init__(self, stops: Sequence[str], prompt: Callable[[], int]) -> None:
        self.cut = False
        self._finder = StopFinder(stops)
        self._prompt = prompt
        self._queue: deque[Event] = deque()
        self._open: dict[int, str] = {}  # the kinds of blocks that have gone out, by their numbers
        self._texts: set[int] = set()
        self._called = False
        self._said = 0
        self._usage: Usage | None = None
        self._over = False

    def take(self, event: Event) -> Iterator[Event]:
        """Give what goes out for an event: nothing, itself, or more."""
        if self._over:
            return
        if self.cut:
            yield from self._behind(event)
        elif isinstance(event, Delta) and event.index in self._texts:
            yield from self._text(event)
        elif self._queue and self._waits(event):
            self._queue.append(event)
        elif isinstance(event, Delta | Close) and event.index not in self._texts:
            yield self._out(event)  # of a call or a thought, which come as they come
        else:
            yield from self._released(0)
            yield self._out(event)

    def _waits(self, event: Event) -> bool:
        """Say whether an event leaves open that the text goes on."""
        if isinstance(event, Open):
            if event.kind == "text":
                self._texts.add(event.index)
            return event.kind == "text"
        return isinstance(event, Close) and event.index in self._texts

    def _text(self, event: Delta) -> Iterator[Event]:
        sure = self._finder.feed(event.text)
        self._queue.append(event)
        if self._finder.found is None:
            yield from self._released(len(self._finder.held))
            return
        yield from self._sure(sure)
        self._queue.clear()
        self.cut = True
        yield from self._end()

    def _released(self, keep: int) -> Iterator[Event]:
        """Give what has waited, but for the last characters of the text."""
        waiting = sum(len(one.text) for one in self._queue if isinstance(one, Delta))
        yield from self._sure(waiting - keep)
        if not keep:
            self._finder.held = ""
            while self._queue:
                yield self._out(self._queue.popleft())

    def _sure(self, count: int) -> Iterator[Event]:
        """Give so many characters of the text that has waited, and what stands before them."""
        while self._queue and count > 0:
            event = self._queue.popleft()
            if isinstance(event, Delta):
                if len(event.text) > count:
                    event, rest = _split(event, count)
                    self._queue.appendleft(rest)
                count -= len(event.text)
            yield self._out(event)

    def _out(self, event: Event) -> Event:
        match event:
            case Begin():
                self._usage = event.usage
            case Open():
                self._open[event.index] = event.kind
                self._called = self._called or event.kind in _CALLS
                if event.kind == "text":
                    self._texts.add(event.index)
            case Delta():
                self._said += len(event.text)
            case Close():
                self._open.pop(event.index, None)
            case _:
                pass
        return event

    # --- behind the cut

    def _behind(self, event: Event) -> Iterator[Event]:
        """Give what is still to come of a call that is not whole yet."""
        if isinstance(event, Failed):
            yield event
        elif isinstance(event, Delta | Close) and self._open.get(event.index) in _CALLS:
            yield self._out(event)
            yield from self._end()

    def _end(self) -> Iterator[Event]:
        if any(kind in _CALLS for kind in self._open.values()):
            return
        self._over = True
        for index in sorted(self._open):
            yield Close(index)
        # A client that is asked for a tool has to be told so.
        if self._called:
            yield Finish("tool_calls", self._estimate())
        else:
            yield Finish("stop_sequence", self._estimate(), self._finder.found)
        yield Completed()

    def _estimate(self) -> Usage:
        known = self._usage or Usage(self._prompt())
        return msgspec.structs.replace(known, output=tokens_of(self._said), estimated=True)


def _split(event: Delta, at: int) -> tuple[Delta, Delta]:
    """Return a piece of text as two; a token belongs to that in which it begins."""
    tokens, logprobs, before = event.logprobs, event.logprobs, 0
    first: list[dict[str, JSON]] | None = None
    if tokens is not None:
        first, logprobs = [], []
        for token in tokens:
            (first if before < at else logprobs).append(token)
            before += len(str(token.get("token", "")))
    return Delta(event.index, event.text[:at], first), Delta(event.index, event.text[at:], logprobs)


def cut_answer(
    answer: NeutralAnswer, stops: Sequence[str], prompt: Callable[[], int]
) -> NeutralAnswer:
    """Return a whole answer up to the first of the sequences, with what the upstream said it took.

    ``prompt`` returns the tokens of the request, where the upstream said nothing.
    """
    cutter, gathered = _Cutter(stops, prompt), Gathered()
    for event in events_of(answer):
        for one in cutter.take(event):
            gathered.take(one)
    if not cutter.cut:
        return answer
    found = gathered.answer()
    return found if answer.usage is None else msgspec.structs.replace(found, usage=answer.usage)


@attrs.define
class StopReader:
    """Reads a stream with another reader, and ends it at the first of the sequences."""

    inner: StreamReader
    stops: Sequence[str]
    prompt: Callable[[], int]
    _cutter: _Cutter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._cutter = _Cutter(self.stops, self.prompt)

    @property
    def finished(self) -> bool:
        """See StreamReader."""
        return bool(getattr(self.inner, "finished", False))

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """See StreamReader."""
        return self._cut(self.inner.read(payload))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """See StreamReader."""
        return self._cut(self.inner.done(marked=marked))

    def _cut(self, events: Iterable[Event]) -> list[Event]:
        return [one for event in events for one in self._cutter.take(event)]
