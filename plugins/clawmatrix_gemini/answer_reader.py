"""Gemini's answers, read: each event of a stream has the shape of a whole answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_gemini.errors import blocked, broken_off, read_error
from clawmatrix_gemini.names import SEALER
from clawmatrix_model_proxy.api import (
    BadAnswer,
    Begin,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Open,
    Usage,
    count_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.api import Event, FinishReason, NewId

__all__ = ["GeminiReader"]

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
}
"""Why answers end."""
_FAULTS = frozenset(
    {
        "FINISH_REASON_UNSPECIFIED",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "NO_IMAGE",
        "IMAGE_OTHER",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
"""Ends that are a fault of the upstream's, after which it may be asked again. Behind any other one
that is new the answer is whole, where there is anything in it."""
_THOUGHTS, _TEXT = "summary", "text"
_encode = msgspec.json.Encoder().encode


class _Struct(msgspec.Struct, rename="camel"):
    """A part of an answer, as far as it is read; ``null`` is the same as nothing."""


class _Call(_Struct):
    name: str
    id: str | None = None
    args: dict[str, Any] | None = None
    will_continue: bool | None = None


class _Part(_Struct):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None

    @property
    def strange(self) -> bool:
        """Whether it is nothing that was asked for and that another API has a place for."""
        others = (self.inline_data, self.file_data, self.executable_code, self.tool_call)
        return any(one is not None for one in (*others, self.code_execution_result))


class _Content(_Struct):
    parts: list[_Part] | None = None


class _Candidate(_Struct):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None


class _Feedback(_Struct):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Usage(_Struct):
    prompt_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None
    cached_content_token_count: Any = None

    def read(self) -> Usage:
        """Return it with thoughts as a part of the answer, as the other APIs count."""
        return Usage(
            _sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            _sum(self.candidates_token_count, self.thoughts_token_count),
            count_of(self.cached_content_token_count),
            None,
            count_of(self.thoughts_token_count),
        )


def _sum(*said: Any) -> int:
    return sum(count_of(one) or 0 for one in said)


class _Answer(_Struct):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


class GeminiReader:
    """Reads one stream; see ``StreamReader``.

    A stream has no mark for its end, so it is whole where the reason for its end has come. What
    stands behind that is usage.
    """

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._begun = False
        self._over = False
        self._number = -1
        self._open = ""
        self._sealed = ""
        self._called = False
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """Whether the reason for the end has come."""
        return self._reason is not None

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what an event amounts to. Raises: BadAnswer."""
        if self._over:
            return ()
        try:
            answer = msgspec.convert(payload, _Answer)
        except msgspec.ValidationError as error:
            raise BadAnswer(f"the upstream's answer is not in Gemini's form: {error}") from None
        return list(self._read(answer, payload))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return what the end amounts to: nothing, unless the reason for it has come."""
        if self._over or self._reason is None:
            return ()
        self._over = True
        return (Finish(self._reason, self._usage), Completed())

    def _read(self, answer: _Answer, payload: dict[str, Any]) -> Iterator[Event]:
        if answer.error:
            yield self._fail(read_error(payload, "the upstream ended with an error").body)
            return
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata.read()
        feedback = answer.prompt_feedback
        if feedback is not None and feedback.block_reason:
            reason, words = feedback.block_reason, feedback.block_reason_message
            yield self._fail(blocked(reason, words).body)
            return
        if not self._begun and answer.candidates:
            self._begun = True
            yield Begin(answer.response_id or "", answer.model_version or "", 0)
        for candidate in answer.candidates or ():
            yield from self._candidate(candidate)

    def _candidate(self, candidate: _Candidate) -> Iterator[Event]:
        if candidate.index:
            raise BadAnswer("one answer was asked for, and there are several")
        content = candidate.content
        for part in (content.parts if content is not None else None) or ():
            if self.finished and (part.text or part.function_call):
                raise BadAnswer("there is more of an answer that had ended")
            yield from self._part(part)
        if candidate.finish_reason and not self.finished:
            yield from self._finish(candidate)

    def _finish(self, candidate: _Candidate) -> Iterator[Event]:
        said = candidate.finish_reason or ""
        reason = _REASONS.get(said)
        if reason is None and said not in _FAULTS and self._number >= 0:
            reason = "stop"
        if reason is None:
            yield self._fail(broken_off(said, candidate.finish_message).body)
            return
        yield from self._close()
        self._reason = "tool_calls" if reason == "stop" and self._called else reason

    # --- parts

    def _part(self, part: _Part) -> Iterator[Event]:
        if part.strange:
            raise BadAnswer("a part of the answer is neither text nor the call of a function")
        kind = _THOUGHTS if part.thought else _TEXT
        if part.text:
            yield from self._say(kind, part.text)
        if part.function_call is not None:
            yield from self._call(part.function_call, part.thought_signature or "")
        elif part.thought_signature:
            if part.thought or not self._open:
                yield from self._say(kind, "")
            self._sealed = part.thought_signature

    def _say(self, kind: str, text: str) -> Iterator[Event]:
        if self._open != kind:
            yield from self._close()
            self._open = kind
            self._number += 1
            yield Open(self._number, "summary" if kind == _THOUGHTS else "text")
        if text:
            yield Delta(self._number, text)

    def _call(self, call: _Call, sealed: str) -> Iterator[Event]:
        if call.will_continue:
            raise BadAnswer("a call comes in pieces, which was not asked for")
        yield from self._close()
        self._called = True
        self._number += 1
        call_id = call.id or self._new_id("call_")
        seal = (sealed, SEALER) if sealed else ("", "")
        yield Open(self._number, "tool", call_id, call.name, -1, *seal)
        yield Delta(self._number, _encode(call.args or {}).decode())
        yield Close(self._number)

    def _close(self) -> Iterator[Event]:
        if self._open:
            opened, seal = self._open, (self._sealed, SEALER) if self._sealed else ("", "")
            self._open, self._sealed = "", ""
            if opened == _THOUGHTS or not seal[0]:
                yield Close(self._number, *seal)
            else:
                yield from self._close_signed(*seal)

    def _close_signed(self, sealed: str, maker: str) -> Iterator[Event]:
        """End a text with its signature, for which no client's API has a place but beside it."""
        yield Close(self._number)
        self._number += 1
        yield Open(self._number, "redacted")
        yield Close(self._number, sealed, maker)

    def _fail(self, error: dict[str, Any]) -> Failed:
        self._over = True
        return Failed(error)
