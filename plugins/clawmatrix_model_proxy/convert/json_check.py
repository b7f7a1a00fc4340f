"""Answers of JSON from an API that cannot be told to give it: others are no answers.

A client that asks for a JSON object gets one, or the next candidate's answer, or an error. An
answer that is cut short, refused or a call of tools says so by its own end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_model_proxy.neutral.answer import Delta, Failed, Finish, Open
from clawmatrix_model_proxy.neutral.codec import ErrorWords, UpstreamError
from clawmatrix_model_proxy.request_body import is_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import StreamReader

__all__ = ["NOT_JSON_CODE", "JsonReader", "checked_json"]

NOT_JSON_CODE = "answer_not_json"
_ENDS = frozenset({"stop", "stop_sequence"})
_WORDS = ErrorWords(
    "the answer is not the JSON object that was asked for",
    type="upstream_error",
    code=NOT_JSON_CODE,
)


def checked_json(answer: NeutralAnswer) -> NeutralAnswer:
    """Return a whole answer. Raises: UpstreamError, where its text is no JSON object."""
    text = "".join(block.text for block in answer.blocks if block.kind == "text")
    if answer.reason in _ENDS and not _is_object(text):
        raise UpstreamError(_WORDS)
    return answer


def _is_object(text: str) -> bool:
    plain = text.strip()
    return plain.startswith("{") and is_json(plain.encode(errors="surrogatepass"))


@attrs.define
class JsonReader:
    """Reads a stream with another reader; one whose text is no JSON object ends with an error."""

    inner: StreamReader
    _texts: set[int] = attrs.field(factory=set)
    _pieces: list[str] = attrs.field(factory=list)
    _failed: bool = False

    @property
    def finished(self) -> bool:
        """See StreamReader."""
        return bool(getattr(self.inner, "finished", False))

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """See StreamReader."""
        return list(self._checked(self.inner.read(payload)))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """See StreamReader."""
        return list(self._checked(self.inner.done(marked=marked)))

    def _checked(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if self._failed:
                return
            match event:
                case Open(kind="text"):
                    self._texts.add(event.index)
                case Delta() if event.index in self._texts:
                    self._pieces.append(event.text)
                case Finish() if event.reason in _ENDS and not _is_object("".join(self._pieces)):
                    self._failed = True
                    event = Failed(_WORDS.body)
                case _:
                    pass
            yield event
