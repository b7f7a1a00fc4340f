"""What an answer, and the JSON inside of a request's strings, may come to when it is converted.

What an upstream says once may stand in each event that a client gets, and what it says at any time
may be kept for the end of the answer. So both are bounded here, for the codecs of all plugins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from clawmatrix_core import Bound
from clawmatrix_model_proxy.convert.whole_calls import WholeCalls, with_whole_calls
from clawmatrix_model_proxy.json_values import VALUES, marks_in
from clawmatrix_model_proxy.neutral.answer import Begin, NeutralAnswer, Open
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.request import Reasoning, ToolCall

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Event
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Part

__all__ = [
    "BLOCKS",
    "NAME_LIMIT",
    "STREAM_LIMIT",
    "StreamLimits",
    "check_request",
    "limited_answer",
    "too_many_values",
]

BLOCKS = Bound(
    1024,
    "parts of an answer that is converted: texts, thoughts, calls of tools",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
STREAM_LIMIT = Bound(
    128 * 1024 * 1024,
    "bytes of a stream that is converted",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
NAME_LIMIT = Bound(
    256,
    "characters of the id of an answer or a thought, and of the model's name in it, when it is"
    " converted",
    fed_by="an upstream",
    when_full="this node gives it one of its own",
)

_Named = TypeVar("_Named", Begin, NeutralAnswer)


class StreamLimits:
    """Counts what one stream comes to, and looks at its calls."""

    def __init__(self) -> None:
        self._bytes = self._blocks = 0
        self._calls = WholeCalls()

    def take(self, events: list[Event], size: int) -> list[Event]:
        """Return the events of so many bytes, each with names that are not too long.

        Raises: BadAnswer.
        """
        self._bytes += size
        if self._bytes > STREAM_LIMIT:
            raise BadAnswer(f"the stream has more than {STREAM_LIMIT} bytes, too many to convert")
        if self._calls.any:
            return [self._limited(one) for one in events]
        for event in events:
            if type(event) is Open or type(event) is Begin:
                return [self._limited(one) for one in events]
        return events

    def _limited(self, event: Event) -> Event:
        match event:
            case Open():
                self._blocks += 1
                if self._blocks > BLOCKS:
                    raise BadAnswer(_TOO_MANY_BLOCKS)
                if event.kind in _THOUGHTS and len(event.id) > NAME_LIMIT:
                    return msgspec.structs.replace(event, id="")
            case Begin():
                return _shortened(event)
        return self._calls.take(event)


_THOUGHTS = ("reasoning", "summary", "redacted")
_TOO_MANY_BLOCKS = f"the answer has more than {BLOCKS} parts"


def _shortened(named: _Named) -> _Named:
    if len(named.id) <= NAME_LIMIT and len(named.model) <= NAME_LIMIT:
        return named
    id, model = (text if len(text) <= NAME_LIMIT else "" for text in (named.id, named.model))
    return msgspec.structs.replace(named, id=id, model=model)


def limited_answer(answer: NeutralAnswer) -> NeutralAnswer:
    """Return a whole answer, with names that are not too long. Raises: BadAnswer."""
    if len(answer.blocks) > BLOCKS:
        raise BadAnswer(_TOO_MANY_BLOCKS)
    texts = [block.text for block in answer.blocks if block.kind == "tool"]
    if sum(map(len, texts)) > VALUES and sum(map(marks_in, texts)) > VALUES:
        raise BadAnswer(f"the arguments of its calls have more than {VALUES.text} values")
    return _shortened(with_whole_calls(answer))


def check_request(request: NeutralRequest, size: int) -> None:
    """Look at the JSON inside of the strings of a request that has so many bytes.

    The arguments of calls are such strings, and the seals of some makers; codecs decode them.
    Raises: Unsupported, for too many values.
    """
    if size <= VALUES:
        return
    parts = (part for turn in request.turns for part in turn.parts)
    if sum(map(_marks, parts)) > VALUES:
        raise too_many_values()


def too_many_values() -> Unsupported:
    """Return what a request is refused with that has too many values to be converted."""
    return Unsupported(
        "body",
        f"has more than {VALUES.text} values, too many for an upstream of another API: ask for a"
        " model whose upstream speaks the API of the request",
    )


def _marks(part: Part) -> int:
    match part:
        case ToolCall():
            return marks_in(part.arguments) + marks_in(part.sealed)
        case Reasoning():
            return marks_in(part.sealed)
    return 0
