"""The stream of a chat completion, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.answer import (
    content_pieces,
    only_choice,
    read_created,
    read_logprobs,
)
from clawmatrix_model_proxy.convert.chat.message_seals import MessageSeals
from clawmatrix_model_proxy.convert.chat.tool_calls import Calls
from clawmatrix_model_proxy.convert.chat.usage import read_reason
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Open,
)
from clawmatrix_model_proxy.neutral.counts import Counts, usages_in
from clawmatrix_model_proxy.neutral.fields import bad_answer
from clawmatrix_model_proxy.streams.stages import is_broken_off

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event

__all__ = ["ChatReader"]

_NOTHING: tuple[Event, ...] = ()
_THOUGHTS = ("reasoning_content", "reasoning")


class ChatReader:
    """Reads one stream.

    The reason and the usage come in any order, and usage may come more than once, so ``Finish``
    is given at the end. Text and thoughts follow each other; calls may be written side by side.
    """

    def __init__(self) -> None:
        self._began = False
        self._over = False
        self._blocks = 0
        self._at = 0
        self._kind: BlockKind | None = None
        self._kinds: set[BlockKind] = set()
        self._seals = MessageSeals()
        self._calls = Calls(self._number, self._seals.take_call)
        self._counts = Counts()
        self._size = 0
        self._said: object = None
        self._stopped_by: Any = None
        self._finished = False

    @property
    def tools(self) -> Collection[str]:
        """The names that calls may have; see KnowsTools."""
        return self._calls.tools

    @tools.setter
    def tools(self, names: Collection[str]) -> None:
        self._calls.tools = names

    @property
    def finished(self) -> bool:
        """Whether the last that was heard of the answer is why it ended."""
        return self._finished

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what an event amounts to. Raises: BadAnswer."""
        if self._over:
            return _NOTHING
        if payload.get("error"):
            return self._fail(payload["error"])
        choices = payload.get("choices")
        # Usual events are all of one shape: one of another may have what the answer took.
        if not choices or payload.get("usage") or len(payload) != self._size:
            self._count(payload)
        if not choices:
            return _NOTHING
        if not isinstance(choices, list):
            raise bad_answer("choices", "must be a list")
        events: list[Event] = [] if self._began else [self._begin(payload)]
        self._choice(only_choice(choices), events)
        if self._said:
            self._count(payload)
        return events

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return what the end amounts to; ``marked`` where it was ``[DONE]``.

        The answer is whole if it said something and was marked so, or if the last that was heard
        of it is why it ended.
        """
        said = bool(self._blocks) and marked
        whole = self._began and (self._finished or said) and self._calls.named
        if self._over or not whole:
            return _NOTHING
        self._over = True
        events: list[Event] = []
        self._close(events)
        reason, words = read_reason(self._said or "stop", self._kinds, self._stopped_by)
        return [*events, Finish(reason, self._counts.usage, words), Completed()]

    # --- pieces

    def _count(self, payload: dict[str, Any]) -> None:
        self._size = len(payload)
        for usage in usages_in(payload):
            self._counts.take(usage)

    def _begin(self, payload: dict[str, Any]) -> Begin:
        self._began = True
        id, model = payload.get("id"), payload.get("model")
        self._calls.answer_id = id if isinstance(id, str) else ""
        return Begin(
            self._calls.answer_id,
            model if isinstance(model, str) else "",
            read_created(payload.get("created")),
        )

    def _choice(self, choice: dict[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._delta(delta, choice, events)
        elif delta is not None or choice.get("message") is not None:
            raise bad_answer("choices[0].delta", "must be an object")
        reason = choice.get("finish_reason")
        if not reason:
            # What stands behind the end and says nothing, as usage does, takes it back for nobody.
            self._finished = self._finished and not any(map(_means, events))
            return
        self._finished = True
        if is_broken_off(reason):
            events.extend(self._fail({"message": f"the upstream broke off: {reason}"}))
            return
        self._said = reason
        self._stopped_by = choice.get("stop_reason") or choice.get("matched_stop")
        self._close(events)

    def _delta(self, delta: dict[str, Any], choice: dict[str, Any], events: list[Event]) -> None:
        for name in _THOUGHTS:
            thoughts = delta.get(name)
            if thoughts:
                self._say("reasoning", _text(thoughts, name), None, events)
                break
        content = delta.get("content")
        if content is not None:
            logprobs = read_logprobs(choice, "content") if choice.get("logprobs") else None
            self._content(content, logprobs, events)
        if content is None or len(delta) > 1:
            self._rest(delta, choice, events)

    def _content(
        self, content: Any, logprobs: list[dict[str, Any]] | None, events: list[Event]
    ) -> None:
        if type(content) is str:
            if content or logprobs:
                self._say("text", content, logprobs, events)
            return
        for kind, text in content_pieces(content):
            self._say(kind, text, logprobs if kind == "text" else None, events)

    def _rest(self, delta: dict[str, Any], choice: dict[str, Any], events: list[Event]) -> None:
        refusal = delta.get("refusal")
        if refusal:
            tokens = read_logprobs(choice, "refusal")
            self._say("refusal", _text(refusal, "refusal"), tokens, events)
        calls, old = delta.get("tool_calls"), delta.get("function_call")
        if "extra_content" in delta or "reasoning_details" in delta:
            self._seals.take(delta)
        if calls or old:
            self._close_said(events)
            self._calls.read(calls or [{"index": 0, "function": old}], events)
        if delta.get("audio"):
            raise bad_answer("choices[0].delta.audio", "audio was not asked for")

    def _say(
        self,
        kind: BlockKind,
        text: str,
        logprobs: list[dict[str, Any]] | None,
        events: list[Event],
    ) -> None:
        if self._kind != kind:
            self._close_said(events)
            self._kind = kind
            self._kinds.add(kind)
            events.append(Open(self._number(), kind))
            self._at = self._blocks - 1
        events.append(Delta(self._at, text, logprobs))

    def _number(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _close_said(self, events: list[Event]) -> None:
        if self._kind is None:
            return
        sealed = self._seals.sealed if self._kind == "reasoning" else ""
        self._kind = None
        events.append(Close(self._at, sealed, "chat" if sealed else ""))

    def _close(self, events: list[Event]) -> None:
        self._close_said(events)
        if sealed := self._seals.sealed:
            number = self._number()
            events += [Open(number, "redacted"), Close(number, sealed, "chat")]
        self._kinds |= self._calls.kinds
        self._calls.close(events)

    def _fail(self, error: Any) -> list[Event]:
        self._over = True
        return [Failed(error)]


def _means(event: Event) -> bool:
    return not isinstance(event, Delta) or bool(event.text)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise bad_answer(f"choices[0].delta.{name}", "must be a string")
    return value
