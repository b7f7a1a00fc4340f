"""What two nodes say to each other to carry contents.

``know_fetch`` asks for up to 500 contents of up to 1 MiB each. The answer comes in groups: a head
with the size of each content, in the order in which they were asked for, and then their bytes.

``know_blocks`` asks for one larger content. The answer begins with its size and the digests of its
blocks; then the asking end says which blocks it wants, and they come one after another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_knowledge.ids import BLOCK, id_of_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON
    from clawmatrix_knowledge.versions import ContentId

__all__ = [
    "ANSWER",
    "ASKED",
    "BLOCK_COUNT",
    "DIGEST",
    "LATER",
    "MISSING",
    "RANGES",
    "BlocksHead",
    "BlocksRequest",
    "BlocksWanted",
    "FetchGroup",
    "FetchRequest",
    "WrongBytes",
    "check_list",
    "check_ranges",
    "is_large",
    "length_of",
    "read_answer",
    "read_request",
]


DIGEST: Final = 32
MISSING: Final = -1
"""In the place of a size: the content is not here."""
LATER: Final = -2
"""In the place of a size: the content is to be asked for again, as the answer is full."""

ASKED = Bound(
    500,
    "contents that one exchange asks for",
    fed_by="a member",
    when_full="the request is refused",
)
ANSWER = Bound(
    8 * 1024**2,
    "bytes of small contents that one exchange carries, before its last one",
    fed_by="a member",
    when_full="the others are asked for in further exchanges; a peer that sends more is named",
)
BLOCK_COUNT = Bound(
    256 * 1024,
    "blocks of 1 MiB of one content that is fetched",
    fed_by="a member",
    when_full="the content is not fetched, and the peer is asked for others",
)
RANGES = Bound(
    64,
    "runs of blocks that one exchange asks for",
    fed_by="a member",
    when_full="the request is refused",
)

_Workspace = Annotated[str, msgspec.Meta(max_length=64)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Told = Annotated[int, msgspec.Meta(ge=LATER, le=BLOCK)]
_Small = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Large = Annotated[str, msgspec.Meta(pattern=r"^b[0-9a-f]{64}\Z")]
_LARGE: Final = re.compile(r"b[0-9a-f]{64}")


class WrongBytes(Exception):
    """A peer sent what it was not asked for, or bytes that their id does not name."""


class FetchRequest(msgspec.Struct, frozen=True):
    """Asks for small contents."""

    workspace: _Workspace
    contents: Annotated[list[_Small], msgspec.Meta(min_length=1, max_length=int(ASKED))]


class FetchGroup(msgspec.Struct, frozen=True):
    """Tells the sizes of the next contents, the bytes of which follow; MISSING and LATER too."""

    sizes: Annotated[list[_Told], msgspec.Meta(min_length=1, max_length=int(ASKED))]


class BlocksRequest(msgspec.Struct, frozen=True):
    """Asks for a content that is larger."""

    workspace: _Workspace
    content: _Large


class BlocksHead(msgspec.Struct, frozen=True):
    """Tells the size of a content; the digests of its blocks follow."""

    size: _Size


class BlocksWanted(msgspec.Struct, frozen=True):
    """Says which blocks to send: the number of the first of a run, and how many."""

    ranges: Annotated[list[tuple[_Size, _Size]], msgspec.Meta(max_length=int(RANGES))]


_R = TypeVar("_R", FetchRequest, BlocksRequest, BlocksWanted)
_A = TypeVar("_A", FetchGroup, BlocksHead)


def read_request(payload: JSON, shape: type[_R]) -> _R:
    """Return what a peer asks for. Raises: ExchangeFailure ``bad_request``."""
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_request", str(error)) from None


def read_answer(payload: JSON, shape: type[_A]) -> _A:
    """Return what a peer answers. Raises: WrongBytes."""
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as error:
        raise WrongBytes(f"that is no answer: {error}") from None


def is_large(content: str) -> bool:
    """Say whether a content has several blocks."""
    return _LARGE.fullmatch(content) is not None


def length_of(number: int, size: int) -> int:
    """Return how many bytes a block of a content of so many bytes has."""
    return min(BLOCK, size - number * BLOCK)


def check_list(content: ContentId, size: int, data: bytes) -> Sequence[bytes]:
    """Return the digests of the blocks of a content. Raises: WrongBytes."""
    blocks = [data[at : at + DIGEST] for at in range(0, len(data), DIGEST)]
    if len(data) % DIGEST or not (len(blocks) - 1) * BLOCK < size <= len(blocks) * BLOCK:
        raise WrongBytes(f"{len(data)} bytes of digests for {size} bytes")
    if id_of_blocks(blocks) != content:
        raise WrongBytes(f"the digests of the blocks are not those of {content[:12]}")
    return blocks


def check_ranges(ranges: Sequence[tuple[int, int]], count: int) -> None:
    """Raises: ExchangeFailure ``bad_request``, unless runs are in order and there."""
    end = 0
    for first, many in ranges:
        if first < end or not many or first + many > count:
            raise ExchangeFailure("bad_request", "runs of blocks are in order, and of those here")
        end = first + many
