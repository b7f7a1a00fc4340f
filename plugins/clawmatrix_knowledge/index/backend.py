"""Where the document lives: in a process of its own, or in this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from clawmatrix_knowledge.index.words import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backend", "BackendLost", "InProcess", "read_reply", "seconds_for", "write_request"]

_REPLIES: Final = msgspec.msgpack.Decoder(Reply)
_REQUESTS: Final = msgspec.msgpack.Encoder()

_LEAST: Final = 5.0
_PER_MEGABYTE: Final = 2.0


class BackendLost(Exception):
    """The document's process ended, took too long, or broke; all that it knew is gone."""


class Backend(Protocol):
    """Answers requests, one at a time."""

    async def ask(self, request: Request) -> Reply:
        """Answer a request. Raises: BackendLost; then ``restart`` makes an empty document."""
        ...

    async def restart(self) -> None:
        """Begin with an empty document. Raises: OSError, where no process can be started."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


def write_request(request: Request) -> bytes:
    """Return a request as bytes."""
    return _REQUESTS.encode(request)


def read_reply(data: bytes) -> Reply:
    """Return a reply. Raises: BackendLost, where it is none."""
    try:
        reply: Reply = _REPLIES.decode(data)
    except msgspec.MsgspecError as error:
        raise BackendLost(f"the reply does not read: {error}") from None
    return reply


def seconds_for(size: int, known: int) -> float:
    """Return the seconds that a request may take.

    Args:
        size: bytes of the request.
        known: bytes of the document, about.
    """
    return _LEAST + _PER_MEGABYTE * (size + known) / 1024**2


class InProcess:
    """The document in this process, for tests in simulated time.

    Args:
        make: makes a function from requests to replies, as bytes.
    """

    def __init__(self, make: Callable[[], Callable[[bytes], bytes]]) -> None:
        self._make = make
        self._handle = make()

    async def ask(self, request: Request) -> Reply:
        """See Backend."""
        try:
            return read_reply(self._handle(write_request(request)))
        except BackendLost:
            raise
        except BaseException as error:
            if not _is_of_the_library(error):
                raise
            raise BackendLost(f"the document broke: {type(error).__name__}") from None

    async def restart(self) -> None:
        """See Backend."""
        self._handle = self._make()

    async def close(self) -> None:
        """See Backend."""


def _is_of_the_library(error: BaseException) -> bool:
    # What a panic raises is no Exception, and its class has no module to import it from.
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
