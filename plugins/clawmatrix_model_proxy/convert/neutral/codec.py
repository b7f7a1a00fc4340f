"""What an API must bring to be converted to and from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from clawmatrix_core import ClawMatrixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.convert.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.convert.neutral.request import NeutralRequest

__all__ = ["BadAnswer", "Codec", "Making", "StreamReader", "StreamWriter", "Unsupported"]


class Unsupported(ClawMatrixError):
    """A request has something that the target API does not carry, or that is not valid.

    Attributes:
        param: where it is in the request, as ``messages[2].content[0]``.
    """

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


class BadAnswer(ClawMatrixError):
    """An upstream's answer is not one of its API."""


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
    new_id: Callable[[str], str]
    include_usage: bool = False


class StreamReader(Protocol):
    """Reads one stream of an API.

    It may have a property ``finished``: whether nothing but the mark of the end, and what the
    answer took, is still to come. What cannot be read then is no part of the answer.
    """

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what the decoded data of an event amounts to. Raises: BadAnswer."""

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return what the end of the connection, or ``[DONE]``, amounts to.

        ``marked`` is for a ``[DONE]`` behind nothing but good events, which vouches for the answer.
        ``End`` is among it, or has been given before, exactly where the stream is whole by the
        API's own rules. It may be called for both, one after the other.
        """


class StreamWriter(Protocol):
    """Writes one stream of an API."""

    def write(self, event: Event) -> bytes:
        """Return the bytes of the stream for an event; never called with ``Failed``."""


@runtime_checkable
class Codec(Protocol):
    """An API, both ways. Bodies are decoded JSON objects."""

    name: str
    """The format's name, as ``chat``."""

    def read_request(self, body: dict[str, Any]) -> NeutralRequest:
        """Read a client's request. Raises: Unsupported."""

    def write_request(self, request: NeutralRequest, *, max_tokens: int) -> dict[str, Any]:
        """Write a request for an upstream, without its model.

        ``max_tokens`` is the limit to give where the API wants one and the request has none.
        Raises: Unsupported.
        """

    def read_answer(self, body: dict[str, Any]) -> NeutralAnswer:
        """Read an upstream's whole answer. Raises: BadAnswer."""

    def write_answer(self, answer: NeutralAnswer, making: Making) -> dict[str, Any]:
        """Write a whole answer for a client."""

    def reader(self) -> StreamReader:
        """Return a reader of one stream."""

    def writer(self, making: Making) -> StreamWriter:
        """Return a writer of one stream."""
