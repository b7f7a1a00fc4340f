"""The Messages API of Anthropic, and of servers that speak it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.messages.answer import read_answer, write_answer
from clawmatrix_model_proxy.convert.messages.request_reader import read_request
from clawmatrix_model_proxy.convert.messages.request_writer import write_request
from clawmatrix_model_proxy.convert.messages.rules import RULES
from clawmatrix_model_proxy.convert.messages.stream_reader import MessagesReader
from clawmatrix_model_proxy.convert.messages.stream_writer import MessagesWriter
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.losses import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import ClawMatrixError
    from clawmatrix_model_proxy.neutral.answer import NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import Codec, Making, NewId
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["CODEC", "LOSSES", "UNREAD", "MessagesCodec"]

LOSSES: tuple[Loss, ...] = (
    Loss("a participant's `name`", "Messages knows nobody by name"),
    Loss("the role `developer`", "it becomes `system`, the only one of its kind there"),
    Loss(
        "texts of nothing but white space, turns in which there is nothing else, and white space"
        " at the end of an answer to go on with",
        "the API refuses them",
    ),
    Loss("the order of tool results and other parts of one turn", "results must come first"),
    Loss("an image's `detail`", "the upstream looks as closely as it always does"),
    Loss("a refusal in a request", "it becomes a text; the words are the same"),
    Loss("thoughts without a signature of a Messages upstream", "the upstream would refuse them"),
    Loss("a format's `name`, `description` and `strict`", "the schema is always kept to there"),
    Loss("effort `minimal`", "it becomes `low`, the least there is"),
    Loss("a refusal in an answer", "it becomes a text, with the stop reason `refusal`"),
    Loss("the end `content_filter`", "it becomes `refusal`"),
    Loss("empty blocks of an answer", "a client that sends them back would be refused"),
    Loss("the paragraphs of a summary of thoughts", "they are joined, with an empty line between"),
    Loss("that an upstream did not say what an answer took", "zeros, since counts must be there"),
    Loss("counts of tokens in audio and of predictions", "there is no place for them"),
    Loss("`created`", "the API does not say when"),
)
"""What writing into this API drops."""

UNREAD: tuple[Loss, ...] = (
    Loss("`cache_control` on blocks and tools", "a hint to the cache"),
    Loss("`eager_input_streaming` of a tool", "a hint to how the answer is sent"),
    Loss("`citations`", "no other API has them in this form; the text that cites is kept"),
    Loss("the parts that a document of `content` consists of", "they are joined to one text"),
    Loss("`category` of a refusal", "its explanation is kept"),
    Loss("the lifetimes of what was written to the cache", "the count of it is kept"),
    Loss("`service_tier` and unknown fields of answers", "they tell of the server, not the answer"),
    Loss("events of a type that is not known", "the API says that there may be such"),
)
"""What reading out of this API drops, whatever the other one is."""

_TOO_DEEP = "objects within objects, too many for this"


@contextmanager
def _no_deeper(error: ClawMatrixError) -> Iterator[None]:
    # What JSON allows to be read may still be too deep for what is done with it.
    try:
        yield
    except RecursionError:
        raise error from None


class MessagesCodec:
    """See ``codec.Codec``."""

    name = "messages"
    rules = RULES

    def read_request(self, body: dict[str, Any]) -> NeutralRequest:
        """Read a client's request. Raises: Unsupported."""
        with _no_deeper(Unsupported("body", _TOO_DEEP)):
            return read_request(body)

    def write_request(
        self, request: NeutralRequest, *, model: str = "", max_tokens: int
    ) -> dict[str, Any]:
        """Write a request for an upstream, without its model. Raises: Unsupported."""
        with _no_deeper(Unsupported("body", _TOO_DEEP)):
            return write_request(request, max_tokens=max_tokens)

    def read_answer(self, body: dict[str, Any], *, new_id: NewId | None = None) -> NeutralAnswer:
        """Read an upstream's whole answer. Raises: BadAnswer."""
        with _no_deeper(BadAnswer(_TOO_DEEP)):
            return read_answer(body)

    def write_answer(self, answer: NeutralAnswer, making: Making) -> dict[str, Any]:
        """Write a whole answer for a client.

        Raises: BadAnswer, for calls of tools whose arguments are not an object.
        """
        with _no_deeper(BadAnswer(_TOO_DEEP)):
            return write_answer(answer, making)

    def reader(self, *, new_id: NewId | None = None) -> MessagesReader:
        """Return a reader of one stream."""
        return MessagesReader()

    def writer(self, making: Making) -> MessagesWriter:
        """Return a writer of one stream."""
        return MessagesWriter(making)


CODEC: Codec = MessagesCodec()
