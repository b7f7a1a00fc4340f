"""A whole answer, written for a client of the Responses API; and what its streams repeat of it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.responses.output import Output
from clawmatrix_model_proxy.convert.responses.request_writer import split_instructions
from clawmatrix_model_proxy.convert.responses.tools import write_choice, write_format, write_tools
from clawmatrix_model_proxy.convert.responses.usage import write_usage
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Close,
    Delta,
    Finish,
    FinishReason,
    Open,
    events_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import Making
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["Response", "write_answer"]

_ECHOED = (
    "temperature",
    "top_p",
    "max_tool_calls",
    "top_logprobs",
    "user",
    "safety_identifier",
    "prompt_cache_key",
)
_INCOMPLETE: dict[FinishReason, str | None] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "pause": None,
}
"""Reasons for which an answer is not whole, and the words for them; this API has none for one."""


def write_answer(answer: NeutralAnswer, making: Making) -> dict[str, Any]:
    """Write a whole answer."""
    response = Response(making)
    for event in events_of(answer):
        for _ in response.take(event):
            pass
    return response.ended()


class Response:
    """A response as it grows by the events of an answer."""

    def __init__(self, making: Making) -> None:
        self.output = Output(making.new_id, making.request.tools)
        self._making = making
        self._head: dict[str, Any] = {}
        self._begin = Begin()
        self._finish: Finish | None = None
        self._refused = False

    def take(self, event: Event) -> Iterator[dict[str, Any]]:
        """Add an event; return what a stream says about it, without numbers."""
        match event:
            case Delta():
                yield from self.output.delta(event)
            case Open():
                self._refused = self._refused or event.kind == "refusal"
                yield from self.output.open(event)
            case Close():
                yield from self.output.close(event)
            case Begin():
                self._begin = event
                self._head = _head(event, self._making)
                yield {"type": "response.created", "response": self._so_far()}
                yield {"type": "response.in_progress", "response": self._so_far()}
            case Finish():
                self._finish = event
                yield from self.output.finish(whole=self._lacks()[0])
            case _:  # the end; a failure is not written here
                whole = self.ended()
                yield {"type": f"response.{whole['status']}", "response": whole}

    def ended(self) -> dict[str, Any]:
        """Return the whole response, after ``Finish``."""
        whole, lack = self._lacks()
        finish = self._finish
        usage = finish.usage if finish is not None and finish.usage else self._begin.usage
        return {
            **self._head,
            "status": "completed" if whole else "incomplete",
            "incomplete_details": None if lack is None else {"reason": lack},
            "output": self.output.values(),
            "usage": None if usage is None else write_usage(usage),
        }

    def _lacks(self) -> tuple[bool, str | None]:
        """Return whether the answer is whole, and the word for what keeps it from that."""
        reason = "stop" if self._finish is None else self._finish.reason
        if reason == "refusal" and not self._refused:
            return False, "content_filter"  # broken off, without a word about it in the answer
        return reason not in _INCOMPLETE, _INCOMPLETE.get(reason)

    def _so_far(self) -> dict[str, Any]:
        return {**self._head, "status": "in_progress", "output": [], "usage": None}


def _head(begin: Begin, making: Making) -> dict[str, Any]:
    own = begin.id.startswith("resp_")
    return {
        "id": begin.id if own else making.new_id("resp_"),
        "object": "response",
        "created_at": begin.created or making.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": begin.model or making.model,
        "output": [],
        "previous_response_id": None,
        "truncation": "disabled",
        "usage": None,
        **_echo(making.request),
    }


def _echo(request: NeutralRequest) -> dict[str, Any]:
    """Return what a response repeats of its request."""
    settings, choice = request.settings, request.tool_choice
    form = {"type": "text"} if request.format is None else write_format(request.format)
    verbosity = settings.get("verbosity")
    return deepcopy(
        {
            "instructions": split_instructions(request)[0],
            "tools": write_tools(request.tools, strict=None),
            "tool_choice": "auto" if choice is None else write_choice(choice, request.tools),
            "parallel_tool_calls": request.parallel is not False,
            "text": {"format": form} | ({} if verbosity is None else {"verbosity": verbosity}),
            "reasoning": {
                "effort": settings.get("effort"),
                "summary": settings.get("reasoning_summary"),
            },
            "metadata": settings.get("metadata") or {},
            "max_output_tokens": settings.get("max_tokens"),
            "store": False,
            **_given(settings, _ECHOED),
        }
    )


def _given(settings: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: settings.get(name) for name in names}
