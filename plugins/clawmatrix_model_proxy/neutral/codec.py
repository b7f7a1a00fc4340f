"""What an API must bring to be converted to and from the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from clawmatrix_model_proxy.neutral.failures import (
    BadAnswer,
    ErrorWords,
    Unsupported,
    UpstreamError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.request import NeutralRequest
    from clawmatrix_model_proxy.neutral.rules import ApiRules

__all__ = [
    "BadAnswer",
    "Codec",
    "CountsTokens",
    "ErrorWords",
    "HasRules",
    "KnowsTools",
    "ListsModels",
    "Making",
    "NewId",
    "PagesModels",
    "ReadsErrors",
    "StreamReader",
    "StreamWriter",
    "Unsupported",
    "UpstreamCodec",
    "UpstreamError",
]

NewId = Callable[[str], str]
"""Makes an id that begins with the letters it is given, as ``call_``."""


@attrs.frozen
class Making:
    """What a writer of answers needs beside the answer.

    Attributes:
        request: what was asked, some APIs repeat it in the answer.
        model: the name to give where the upstream gave none.
        created: seconds since 1970, for where the upstream gave none.
        new_id: makes an id that begins with the letters it is given, as ``msg_``.
        include_usage: a chat client asked for the chunk with the usage.
    """

    request: NeutralRequest
    model: str
    created: int
    new_id: NewId
    include_usage: bool = False


class StreamReader(Protocol):
    """Reads one stream of an API.

    It may have a property ``finished``: whether nothing but the mark of the end, and what the
    answer took, is still to come. What cannot be read then is no part of the answer.
    """

    def read(self, payload: dict[str, JSON]) -> Iterable[Event]:
        """Return what the decoded data of a server-sent event amounts to.

        A comment, an event named ``error`` and data that is no JSON object never come here.
        Raises: BadAnswer.
        """

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return what the end of the connection, or ``[DONE]``, amounts to.

        ``marked`` says that the stream ended in ``[DONE]`` and that every event before it was
        good; then the answer is whole even if its last event is missing.
        ``Completed`` is among it, or has been given before, exactly where the stream is whole by
        the API's own rules. It may be called for both, one after the other.
        """


@runtime_checkable
class KnowsTools(Protocol):
    """A reader of streams that tells calls apart by the names that they may have."""

    tools: Collection[str]
    """The names of the request's tools, set before the first event; empty where there are none."""


class StreamWriter(Protocol):
    """Writes one stream of an API."""

    def write(self, event: Event) -> bytes:
        """Return the bytes of the stream for an event; never called with ``Failed``."""


class UpstreamCodec(Protocol):
    """An API that upstreams speak: requests are written, answers read. Bodies are JSON objects.

    ``new_id`` makes an id that begins with the letters it is given, for calls to which the upstream
    gives none. Where an id may stay empty, a client's own codec makes one.

    More members may be there: see ``ReadsErrors``, ``ListsModels`` and ``CountsTokens``.
    """

    name: str
    """The format's name, as ``chat``: letters, digits, ``-``, ``_`` and ``:``. What upstreams seal
    is kept under it."""

    def write_request(
        self, request: NeutralRequest, *, model: str, max_tokens: int
    ) -> dict[str, JSON]:
        """Write a request for an upstream, without its model, which whoever sends it adds.

        ``model`` is the upstream's name for it, where one needs other words than the next.
        ``max_tokens`` is the limit to give where the API wants one and the request has none.
        Raises: Unsupported.
        """

    def read_answer(self, body: dict[str, JSON], *, new_id: NewId) -> NeutralAnswer:
        """Read an upstream's whole answer. Raises: BadAnswer, or UpstreamError."""

    def reader(self, *, new_id: NewId) -> StreamReader:
        """Return a reader of one stream."""


@runtime_checkable
class ReadsErrors(Protocol):
    """A codec whose upstreams put their errors in words of their own."""

    def read_error(self, status: int, body: dict[str, JSON]) -> ErrorWords:
        """Read the body of an answer whose HTTP status is an error."""


@runtime_checkable
class ListsModels(Protocol):
    """A codec whose upstreams list their models in a shape of their own, for ``doctor``."""

    def read_models(self, body: dict[str, JSON]) -> Iterable[str]:
        """Return the names in a list of models, as requests give them."""


@runtime_checkable
class PagesModels(ListsModels, Protocol):
    """A codec whose upstreams list their models in several pages."""

    def next_models(self, body: dict[str, JSON]) -> str:
        """Return the query that asks for the page behind this one; empty at the last.

        Values in it are quoted, as in ``pageToken=a%20b``.
        """


@runtime_checkable
class HasRules(Protocol):
    """A codec whose API refuses what others take."""

    rules: ApiRules
    """What requests are made to keep to before they are written."""


@runtime_checkable
class CountsTokens(Protocol):
    """A codec whose upstreams count the tokens of a request without answering it."""

    count_path: str
    """The path that takes the question, as those of ``ModelApi`` are given."""

    def write_count(self, request: NeutralRequest, *, model: str) -> dict[str, JSON]:
        """Write the question for the tokens that a request has. Raises: Unsupported."""

    def read_count(self, body: dict[str, JSON]) -> int:
        """Read the answer. Raises: BadAnswer."""


class Codec(UpstreamCodec, Protocol):
    """An API that clients speak too. It needs no name of a model, and makes no ids in reading."""

    def write_request(
        self, request: NeutralRequest, *, model: str = "", max_tokens: int
    ) -> dict[str, JSON]:
        """See UpstreamCodec."""

    def read_answer(self, body: dict[str, JSON], *, new_id: NewId | None = None) -> NeutralAnswer:
        """See UpstreamCodec."""

    def reader(self, *, new_id: NewId | None = None) -> StreamReader:
        """See UpstreamCodec."""

    def read_request(self, body: dict[str, JSON]) -> NeutralRequest:
        """Read a client's request. Raises: Unsupported."""

    def write_answer(self, answer: NeutralAnswer, making: Making) -> dict[str, JSON]:
        """Write a whole answer for a client."""

    def writer(self, making: Making) -> StreamWriter:
        """Return a writer of one stream."""
