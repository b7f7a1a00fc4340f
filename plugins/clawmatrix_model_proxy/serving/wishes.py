"""What a request of the Responses API wants of things that an upstream keeps.

Readers of JSON differ in which of two members with one name they take. What is looked at here is
the last one, and where there may be two the upstream is sent that one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.serving.upstream_call import unsent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Wishes", "read_wishes", "settled", "wishes_of"]

_NULL = Raw(b"null")


class Wishes(msgspec.Struct, frozen=True):
    """What of a request is about things that an upstream keeps.

    Attributes:
        named: ids of responses and items that were given earlier, each with its parameter.
        conversation: it goes on with a conversation that the upstream keeps.
        background: the answer is to be fetched later.
        stores: the upstream may keep the answer.
    """

    named: tuple[tuple[str, str], ...] = ()
    conversation: bool = False
    background: bool = False
    stores: bool = True


class _Body(msgspec.Struct):
    # What is Raw may be anything, and is decoded only where it matters.
    previous_response_id: Raw = _NULL
    conversation: Raw = _NULL
    background: Raw = _NULL
    store: Raw = _NULL
    input: Raw = _NULL


class _Item(msgspec.Struct):
    type: Raw = _NULL
    id: Raw = _NULL
    role: Raw = _NULL


_read_body = msgspec.json.Decoder(_Body).decode
_read_items = msgspec.json.Decoder(list[_Item | bool | float | str | list[Raw] | None]).decode
_read_members = msgspec.json.Decoder(dict[str, Raw]).decode
_read_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode
_WHOLE = frozenset((b'"message"', b'"function_call"', b'"function_call_output"', b'"reasoning"'))
"""The types of most items, each of which says all that there is to it."""
_NAMES = (b"previous_response_id", b'"conversation"')


def read_wishes(body: bytes) -> Wishes:
    """Return what a request wants. Raises: ExchangeFailure, where it is no JSON object."""
    try:
        read = _read_body(body)
        named = (*_previous(read.previous_response_id), *_references(read.input))
    except NOT_JSON:
        raise unsent("bad_request", "the body of the request is not a JSON object") from None
    return Wishes(
        named,
        bytes(read.conversation) != b"null",
        bytes(read.background) not in (b"null", b"false"),
        bytes(read.store) != b"false",
    )


def _previous(raw: Raw) -> Iterator[tuple[str, str]]:
    if bytes(raw) != b"null":
        yield "previous_response_id", str(decode(bytes(raw)))


def _references(raw: Raw) -> Iterator[tuple[str, str]]:
    """Yield the ids of items that are named only, with or without the word for that."""
    written = bytes(raw)
    if not written.startswith(b"["):
        return
    for number, item in enumerate(_read_items(written)):
        if not isinstance(item, _Item) or bytes(item.type) in _WHOLE:
            continue
        kind = decode(bytes(item.type))
        by_id_alone = kind is None and item.role is _NULL and item.id is not _NULL
        if kind == "item_reference" or by_id_alone:
            yield f"input[{number}]", str(decode(bytes(item.id)))


def wishes_of(body: bytes) -> tuple[bytes, Wishes]:
    """Return a request as it is put to an upstream, and what it wants of kept things.

    Raises: ExchangeFailure, where it is no JSON object.
    """
    sent = settled(body)
    return sent, read_wishes(sent)


def settled(body: bytes) -> bytes:
    """Return a request in which nothing that is kept by an upstream is named twice.

    Most requests come back untouched. Raises: ExchangeFailure, where it is no JSON object.
    """
    repeats = any(body.count(name) > 1 for name in _NAMES)
    if not (repeats or b"item_reference" in body or b"\\u00" in body):
        return body
    try:
        members = _read_members(body)
        given = bytes(members.get("input", _NULL))
        if given.startswith(b"["):
            members["input"] = Raw(_encode([_settled_item(one) for one in _read_list(given)]))
    except NOT_JSON:
        raise unsent("bad_request", "the body of the request is not a JSON object") from None
    return _encode(members)


def _settled_item(item: Raw) -> Raw:
    written = bytes(item)
    return Raw(_encode(_read_members(written))) if written.startswith(b"{") else item
