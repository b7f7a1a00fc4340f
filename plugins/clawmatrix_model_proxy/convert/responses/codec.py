"""The Responses API, both ways."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.responses.answer import write_answer
from clawmatrix_model_proxy.convert.responses.input_items import UNREAD
from clawmatrix_model_proxy.convert.responses.request_reader import read_request
from clawmatrix_model_proxy.convert.responses.request_writer import (
    LOSSES,
    write_count_request,
    write_request,
)
from clawmatrix_model_proxy.convert.responses.rules import RULES
from clawmatrix_model_proxy.convert.responses.stream_reader import ResponsesReader
from clawmatrix_model_proxy.convert.responses.stream_writer import ResponsesWriter
from clawmatrix_model_proxy.convert.responses.usage import read_count
from clawmatrix_model_proxy.neutral.answer import Failed, Gathered, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.neutral.codec import Making, NewId
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["CODEC", "LOSSES", "UNREAD", "ResponsesCodec", "read_count", "write_count_request"]


class ResponsesCodec:
    """The Responses API; see ``Codec``."""

    name = "responses"
    rules = RULES

    def read_request(self, body: dict[str, Any]) -> NeutralRequest:
        """Read a client's request. Raises: Unsupported."""
        with _no_deeper():
            return read_request(body)

    def write_request(
        self, request: NeutralRequest, *, model: str = "", max_tokens: int
    ) -> dict[str, Any]:
        """Write a request for an upstream; no limit is given where the request has none.

        Raises: Unsupported.
        """
        del max_tokens  # this API wants no limit
        with _no_deeper():
            return write_request(request)

    def read_answer(self, body: dict[str, Any], *, new_id: NewId | None = None) -> NeutralAnswer:
        """Read an upstream's whole answer. Raises: BadAnswer."""
        gathered = Gathered()
        whole = body.get("status") not in ("queued", "in_progress")
        if not body.get("error") and not (whole and isinstance(body.get("output"), list)):
            raise BadAnswer("the upstream's answer is not a whole response")
        for event in ResponsesReader().read({"type": "response.completed", "response": body}):
            if isinstance(event, Failed):
                raise BadAnswer(f"the upstream says: {_words(event.error)}")
            gathered.take(event)
        return gathered.answer()

    def write_answer(self, answer: NeutralAnswer, making: Making) -> dict[str, Any]:
        """Write a whole answer for a client."""
        return write_answer(answer, making)

    def reader(self, *, new_id: NewId | None = None) -> ResponsesReader:
        """Return a reader of one stream."""
        return ResponsesReader()

    def writer(self, making: Making) -> ResponsesWriter:
        """Return a writer of one stream."""
        return ResponsesWriter(making)


@contextmanager
def _no_deeper() -> Iterator[None]:
    # What can be decoded may still be too deep to be copied.
    try:
        yield
    except RecursionError:
        raise Unsupported("tools", "objects within objects, too many for this") from None


def _words(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)


CODEC = ResponsesCodec()
