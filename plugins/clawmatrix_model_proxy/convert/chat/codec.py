"""OpenAI's chat completions, as far as other APIs know what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.answer import read_answer, write_answer
from clawmatrix_model_proxy.convert.chat.request_reader import read_request
from clawmatrix_model_proxy.convert.chat.request_writer import write_request
from clawmatrix_model_proxy.convert.chat.rules import RULES
from clawmatrix_model_proxy.convert.chat.stream_reader import ChatReader
from clawmatrix_model_proxy.convert.chat.stream_writer import ChatWriter
from clawmatrix_model_proxy.neutral.losses import Loss

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import Codec, Making, NewId
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["CODEC", "LOSSES", "UNREAD", "Chat"]

LOSSES: tuple[Loss, ...] = (
    Loss("seals of calls that another API's upstream put there", "only their maker reads them"),
    Loss(
        "where one block of thoughts ends, and which were a summary",
        "they are one text, `reasoning_content`, with an empty line between blocks",
    ),
    Loss(
        "the order of thoughts, text and calls within a turn",
        "a message has one of each: thoughts first, then the text, then the calls",
    ),
    Loss(
        "where one block of an answer's text ends and the next begins",
        "the content of an answer is one string",
    ),
    Loss("the words that stopped an answer", "the finish reason is `stop`"),
    Loss(
        "the end `pause` of a turn, and a refusal without words",
        "the finish reasons are `length` and `content_filter`",
    ),
    Loss("that the result of a tool is an error", "its text says what went wrong"),
    Loss(
        "which tool an image or a file is the result of",
        "results are texts; what else they have follows them in a message of the user's",
    ),
    Loss("the name of a document that is plain text", "it is a text among the others"),
    Loss(
        "which of several texts before the user's first words is the system's, which the"
        " developer's",
        "they are one `system`: many templates take one, at the beginning",
    ),
    Loss(
        "that a later text is the system's or the developer's by its role, unless the model has"
        " `system_anywhere`",
        "it is the user's, between `<developer>` and `</developer>`, for the same reason",
    ),
)
"""What writing chat completions leaves behind."""

UNREAD: tuple[Loss, ...] = (
    Loss("`cache_control` and `prompt_cache_breakpoint` on messages", "hints to the cache"),
    Loss("`annotations` of texts", "the text itself names its sources where the model does"),
    Loss("`reasoning_details` in which nothing is sealed", "`reasoning` has their text"),
    Loss(
        "`parsed` and `parsed_arguments` in messages that repeat an answer",
        "the SDK made them out of what stands beside them",
    ),
    Loss(
        "`system_fingerprint`, `service_tier` and unknown fields of answers",
        "they tell of the server, not of the answer",
    ),
    Loss("`logprobs` of tokens that are thoughts or calls", "no API has a place for them"),
)
"""What reading chat completions leaves behind."""


class Chat:
    """The codec."""

    name = "chat"
    rules = RULES

    def read_request(self, body: dict[str, Any]) -> NeutralRequest:
        """Read a client's request. Raises: Unsupported."""
        return read_request(body)

    def write_request(
        self, request: NeutralRequest, *, model: str = "", max_tokens: int
    ) -> dict[str, Any]:
        """Write a request for an upstream; no limit has to be given. Raises: Unsupported."""
        return write_request(request)

    def read_answer(self, body: dict[str, Any], *, new_id: NewId | None = None) -> NeutralAnswer:
        """Read an upstream's whole answer. Raises: BadAnswer."""
        return read_answer(body)

    def write_answer(self, answer: NeutralAnswer, making: Making) -> dict[str, Any]:
        """Write a whole answer for a client."""
        return write_answer(answer, making)

    def reader(self, *, new_id: NewId | None = None) -> ChatReader:
        """Return a reader of one stream."""
        return ChatReader()

    def writer(self, making: Making) -> ChatWriter:
        """Return a writer of one stream."""
        return ChatWriter(making)


CODEC: Codec = Chat()
