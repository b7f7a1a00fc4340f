"""What nodes say to each other of resources and prompts.

A list, ``mcp_list``, is a head and as many entries. A reading, ``mcp_read``, and a prompt,
``mcp_prompt``, are answered by any number of words of progress and one ``Answer``; a result that is
too large for it follows as bytes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from clawmatrix_core import JSON, Bound, ExchangeFailure
from clawmatrix_mcp.resources.uris import LENGTH

__all__ = [
    "ENTRIES",
    "ENTRY",
    "INLINE",
    "LIST",
    "RESULT",
    "VALUES",
    "Answer",
    "Entry",
    "Kind",
    "ListHead",
    "ListRequest",
    "PromptRequest",
    "ReadRequest",
    "Waits",
    "read_answer",
    "read_entry",
    "read_head",
    "words_of",
]

Kind: TypeAlias = Literal["resource", "template", "prompt"]

ENTRIES = Bound(
    2048,
    "resources, templates and prompts in the list of one node",
    fed_by="a member",
    when_full="further ones are left out and counted; a list of another is not taken",
)
LIST = Bound(
    4 * 1024**2,
    "bytes of the list of resources and prompts of one node, and 64 for each value in it",
    fed_by="a member",
    when_full="further ones are left out and counted; a list of another is not taken",
)
RESULT = Bound(
    64 * 1024**2,
    "bytes of a resource or a prompt that a node sends or takes",
    fed_by="a member",
    when_full="the reading ends with an error; no part of it is given",
)
VALUES = Bound(
    1024**2,
    "values in a resource or a prompt that a caller takes",
    fed_by="a member",
    when_full="the reading ends with an error, and nothing is decoded",
)
ENTRY: Final = 48 * 1024
"""Bytes that one entry of an own list has at most."""
INLINE: Final = 48 * 1024
"""Bytes of JSON that go in a head; what is larger follows it."""
WORDS: Final = 2000
"""Characters of an error that are sent."""
_CODE: Final = 64
_Server = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,20}\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LENGTH)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class ListRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for the list of resources and prompts; with ``follow``, also for each later one."""

    follow: bool = False


class ListHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Begins a list: a word that changes with it, how many entries follow, how many more exist."""

    version: Annotated[str, msgspec.Meta(max_length=64)]
    entries: _Size
    more: _Size = 0


class Entry(msgspec.Struct, frozen=True):
    """One thing.

    Attributes:
        kind: what it is.
        server: the server that has it.
        told: what the server says of it, unchanged.
    """

    kind: Kind
    server: _Server
    told: dict[str, JSON]

    @property
    def name(self) -> str:
        """The URI, the template or the name."""
        found = self.told.get(_KEYS[self.kind])
        return found if isinstance(found, str) else ""


_KEYS: Final[dict[Kind, str]] = {"resource": "uri", "template": "uriTemplate", "prompt": "name"}


class ReadRequest(msgspec.Struct, frozen=True):
    """Asks for the contents of a resource, by the server's own URI."""

    server: _Server
    uri: _Name


class PromptRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for a prompt with its arguments."""

    server: _Server
    name: _Name
    arguments: dict[str, str] = {}


class Waits(msgspec.Struct, frozen=True):
    """Says in words what is waited for."""

    progress: str


class Answer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a reading ended.

    Attributes:
        success: whether the server gave a result.
        began: whether the server may have been asked.
        result: what it gave.
        result_bytes: how many bytes of JSON follow in the place of ``result``.
        error: what went wrong, in words.
        code: the same as a stable word.
        detail: JSON for programs about the error.
        audit: the head of the audit there, JSON as text.
    """

    success: bool
    began: bool = False
    result: dict[str, JSON] = {}
    result_bytes: _Size = 0
    error: str = ""
    code: Annotated[str, msgspec.Meta(max_length=_CODE)] = ""
    detail: JSON = None
    audit: Annotated[str, msgspec.Meta(max_length=1024)] = ""

    @classmethod
    def failed(cls, code: str, error: str, *, began: bool, detail: JSON = None) -> Answer:
        """Return one that says what went wrong."""
        return cls(
            success=False,
            began=began,
            error=words_of(error),
            code=words_of(code, _CODE),
            detail=detail,
        )


def words_of(text: str, most: int = WORDS) -> str:
    """Return a text that can be sent: not too long, and UTF-8."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return shown.encode(errors="replace").decode()


def read_head(payload: JSON) -> ListHead:
    """Return the head of a list. Raises: ExchangeFailure ``bad_answer`` or ``too_large``."""
    try:
        head = msgspec.convert(payload, ListHead)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"that is no list of resources: {error}") from None
    if head.entries > ENTRIES:
        raise ExchangeFailure("too_large", f"a list of {head.entries}; {ENTRIES.text} is the most")
    return head


def read_entry(payload: JSON) -> Entry:
    """Return an entry of a list. Raises: ExchangeFailure ``bad_answer``."""
    try:
        entry = msgspec.convert(payload, Entry)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"that is no resource or prompt: {error}") from None
    if not 0 < len(entry.name) <= LENGTH:
        raise ExchangeFailure("bad_answer", f"a {entry.kind} without a name")
    return entry


def read_answer(payload: JSON) -> Waits | Answer:
    """Return what a payload of an answer is. Raises: ExchangeFailure ``bad_answer``."""
    shape: type[Waits | Answer] = Answer
    if isinstance(payload, dict) and "progress" in payload:
        shape = Waits
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as error:
        raise ExchangeFailure(
            "bad_answer", f"what the other node sent is no answer: {error}"
        ) from None
