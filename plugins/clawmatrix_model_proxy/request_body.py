"""What this node reads of a request's body, and the one value that it replaces: the model."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from clawmatrix_model_proxy.errors import ApiError

__all__ = ["Wanted", "is_json", "read_wanted", "with_model"]


class Wanted(msgspec.Struct, frozen=True):
    """The part of a request that this node acts on."""

    model: str
    streams: bool
    previous: str | None = None


class _Request(msgspec.Struct):
    model: str | UnsetType | None = UNSET
    stream: Any = None
    previous_response_id: Any = None


_read_request = msgspec.json.Decoder(_Request).decode
_read_members = msgspec.json.Decoder(dict[str, Raw]).decode
_read_any = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_wanted(body: bytes) -> Wanted:
    """Return what the client asks for. Raises: ApiError, with status 400."""
    try:
        request = _read_request(body)
    except msgspec.ValidationError as error:
        param = "model" if "$.model" in str(error) else None
        raise ApiError(400, f"the request is not valid: {error}", param=param) from None
    except _NOT_JSON as error:
        raise ApiError(400, f"the body of the request is not valid JSON: {error}") from None
    if not request.model:
        raise ApiError(400, "the request names no model", param="model")
    previous = request.previous_response_id
    named = previous if isinstance(previous, str) and previous else None
    return Wanted(request.model, request.stream is True, named)


def with_model(body: bytes, model: str) -> bytes:
    """Return the request with its model replaced, every other value byte for byte as it was.

    A body that names the model already comes back untouched. Raises: ApiError.
    """
    try:
        members = _read_members(body)
        sent = msgspec.json.decode(members.get("model", Raw(b"null")))
    except _NOT_JSON as error:
        raise ApiError(400, f"the body of the request is not a JSON object: {error}") from None
    if sent == model:
        return body
    members["model"] = Raw(_encode(model))
    return _encode(members)


def is_json(body: bytes) -> bool:
    """Say whether the bytes are one whole JSON value."""
    try:
        _read_any(body)
    except _NOT_JSON:
        return False
    return True
