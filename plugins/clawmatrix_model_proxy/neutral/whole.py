"""The answer that a stream gives, for codecs that read whole answers as streams of one event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.neutral.answer import Failed, Gathered
from clawmatrix_model_proxy.neutral.codec import BadAnswer, ErrorWords, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer

__all__ = ["answer_of"]


def answer_of(events: Iterable[Event]) -> NeutralAnswer:
    """Return the answer that the events of a whole stream give.

    Raises: UpstreamError, for one that failed; BadAnswer, for one without an end.
    """
    gathered = Gathered()
    for event in events:
        if isinstance(event, Failed):
            raise UpstreamError(ErrorWords.of(event.error))
        gathered.take(event)
    if gathered.finish is None:
        raise BadAnswer("the upstream's answer does not say why it ended")
    return gathered.answer()
