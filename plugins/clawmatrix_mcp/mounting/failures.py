"""Why a server ended, out of the groups of errors that task groups make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_core import redact
from clawmatrix_mcp.mounting.metering import ServerFailed
from clawmatrix_tool_proxy.api import ProcessEnded, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["first_of", "words_of"]

_WORDS: Final = 500
"""Characters of the words that say how a server ended."""


def first_of(error: BaseException) -> BaseException:
    """Return an error, or of a group the one of its errors that says most."""
    found = list(_parts(error))
    for kind in (ProcessEnded, ServerFailed):
        for one in found:
            if isinstance(one, kind):
                return one
    return found[0]


def words_of(error: BaseException) -> str:
    """Return what ended a server, in words that may be shown."""
    told = first_of(error)
    known = isinstance(told, ProcessEnded | ServerFailed | ToolError)
    text = redact(str(told) if known else f"{type(told).__name__}: {told}")[:_WORDS]
    return "".join(one if one.isprintable() else " " for one in text)


def _parts(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _parts(one)
    else:
        yield error
