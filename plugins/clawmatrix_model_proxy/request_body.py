"""What this node reads of a request's body, and the one value that it replaces: the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from clawmatrix_core import Bound
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.json_values import NOT_JSON, decode

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "MEMBERS",
    "MODEL_NAME",
    "Wanted",
    "is_json",
    "member_names",
    "members_of",
    "read_wanted",
    "with_model",
]

MEMBERS = Bound(
    1024,
    "members of a request of over 64 KiB",
    fed_by="a client",
    when_full="the request is refused",
)
MODEL_NAME = Bound(
    512,
    "characters of the model's name in a request",
    fed_by="a client",
    when_full="the request is refused",
)
_LARGE = 64 * 1024
"""Bytes of a request from which on its members are counted."""
_ID_LIMIT = 4096
"""Bytes of the id of an earlier response; no longer one is known."""


class Wanted(msgspec.Struct, frozen=True):
    """The part of a request that this node acts on."""

    model: str
    streams: bool
    previous: str | None = None


_NULL = Raw(b"null")


class _Request(msgspec.Struct):
    # What is Raw may be anything, and is not decoded.
    model: str | UnsetType | None = UNSET
    stream: Raw = _NULL
    previous_response_id: Raw = _NULL


class _Name(str):
    """The name of a member, made by a hook that counts them."""

    __slots__ = ()


_read_request = msgspec.json.Decoder(_Request).decode
_read_few = msgspec.json.Decoder(dict[str, Raw]).decode
_read_any = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode


def read_wanted(body: bytes) -> Wanted:
    """Return what the client asks for. Raises: ApiError, with status 400."""
    try:
        request = _read_request(body)
    except msgspec.ValidationError as error:
        param = "model" if "$.model" in str(error) else None
        raise ApiError(400, f"the request is not valid: {error}", param=param) from None
    except NOT_JSON as error:
        raise ApiError(400, f"the body of the request is not valid JSON: {error}") from None
    if not request.model:
        raise ApiError(400, "the request names no model", param="model")
    if len(request.model) > MODEL_NAME:
        message = f"the model's name has more than {MODEL_NAME} characters"
        raise ApiError(400, message, param="model")
    streams = request.stream is not _NULL and bytes(request.stream) == b"true"
    previous = request.previous_response_id
    named = None if previous is _NULL else _previous(bytes(previous))
    return Wanted(request.model, streams, named)


def _previous(raw: bytes) -> str | None:
    """Return the id of an earlier response; None where it is no text."""
    if not raw.startswith(b'"'):
        return None
    if len(raw) > _ID_LIMIT:
        message = f"the id of a response has more than {_ID_LIMIT} bytes"
        raise ApiError(400, message, param="previous_response_id")
    named: Any = decode(raw)
    return named or None


def member_names(body: bytes) -> Collection[str]:
    """Return the names of the members of a request; none where it is no JSON object."""
    try:
        return members_of(body).keys()
    except NOT_JSON:
        return ()


def with_model(body: bytes, model: str) -> bytes:
    """Return the request with its model replaced, every other value byte for byte as it was.

    A body that names the model already comes back untouched. Raises: ApiError.
    """
    try:
        members = members_of(body)
        sent = decode(bytes(members.get("model", _NULL)))
    except NOT_JSON as error:
        raise ApiError(400, f"the body of the request is not a JSON object: {error}") from None
    if sent == model:
        return body
    members["model"] = Raw(_encode(model))
    return _encode(members)


def members_of(body: bytes) -> dict[str, Raw]:
    """Return the members of an object, each as it is written. Raises: what is in NOT_JSON."""
    if len(body) <= _LARGE:
        return _read_few(body)
    count = 0

    def counted(kind: type, name: str) -> _Name:
        nonlocal count
        count += 1
        if count > MEMBERS:
            raise ValueError(f"it has more than {MEMBERS.text} members")
        return _Name(name)

    read: dict[str, Raw] = msgspec.json.decode(body, type=dict[_Name, Raw], dec_hook=counted)
    return read


def is_json(body: bytes) -> bool:
    """Say whether the bytes are one whole JSON value."""
    try:
        _read_any(body)
    except NOT_JSON:
        return False
    return True
