"""As much of a message as the pump needs; the message itself goes on as it came."""

from __future__ import annotations

import base64
import re
from typing import Any, Final, TypeAlias

import attrs
import msgspec

__all__ = ["Malformed", "Message", "RequestId", "header_value", "on_one_line", "read_message"]

RequestId: TypeAlias = "str | int | float"

CANCELLED: Final = "notifications/cancelled"
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose requests carry a name, and the parameter that has it."""
_NULL: Final = msgspec.Raw(b"null")
_PLAIN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_ENCODED = re.compile(r"=\?base64\?.*\?=")


class _Envelope(msgspec.Struct):
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    method: object = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Meta(msgspec.Struct):
    version: object = msgspec.field(name="io.modelcontextprotocol/protocolVersion", default=None)


class _Params(msgspec.Struct):
    meta: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="_meta", default=msgspec.UNSET)
    name: object = None
    uri: object = None
    request_id: object = msgspec.field(name="requestId", default=None)


class _WithMeta(msgspec.Struct):
    params: _Params


_envelopes = msgspec.json.Decoder(_Envelope)
_params = msgspec.json.Decoder(_Params)
_metas = msgspec.json.Decoder(_Meta)


class Malformed(ValueError):
    """A line is no message of JSON-RPC."""


@attrs.frozen
class Message:
    """A message, and what the pump reads of it.

    Attributes:
        line: the message itself.
        raw_id: its id as it is written, ``null`` for one without.
        id: its id; None for a message without one, and for an answer whose request had none.
        method: None for an answer.
        version: the revision of the protocol that a request names itself, as those since
            2026-07-28 do; None for a message of a session.
        name: the tool, prompt or resource that a request names.
        cancels: the id of the request that it withdraws.
        result: the result of an answer, None for an error.
    """

    line: bytes
    raw_id: msgspec.Raw
    id: RequestId | None
    method: str | None
    version: str | None = None
    name: str | None = None
    cancels: RequestId | None = None
    result: msgspec.Raw | None = None

    @property
    def is_request(self) -> bool:
        """Whether somebody waits for an answer to it."""
        return self.method is not None and self.id is not None

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request."""
        return self.method is None

    def headers(self) -> dict[str, str]:
        """Return the headers that repeat what is in a message which names its revision."""
        if self.version is None or self.method is None:
            return {}
        found = {
            "mcp-protocol-version": header_value(self.version),
            "mcp-method": header_value(self.method),
        }
        if self.name is not None:
            found["mcp-name"] = header_value(self.name)
        return found

    def listing(self) -> Message:
        """Return a request for the list of tools by the same client."""
        meta = msgspec.json.decode(self.line, type=_WithMeta).params
        params = {"_meta": meta.meta}
        body = {"jsonrpc": "2.0", "id": self.raw_id, "method": "tools/list", "params": params}
        return read_message(msgspec.json.encode(body))


def read_message(line: bytes) -> Message:
    """Return the message of a line. Raises: Malformed."""
    try:
        found = _envelopes.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "a batch of messages" if line[:1] == b"[" else f"no message of JSON-RPC: {error}"
        raise Malformed(what) from None
    raw_id = _NULL if isinstance(found.id, msgspec.UnsetType) else found.id
    method = found.method if isinstance(found.method, str) else None
    if method is None and found.method is not msgspec.UNSET:
        raise Malformed("no message of JSON-RPC: its method is no text")
    id_ = _read_id(raw_id)
    if isinstance(found.params, msgspec.UnsetType) or method is None:
        result = None if isinstance(found.result, msgspec.UnsetType) else found.result
        return Message(line, raw_id, id_, method, result=result)
    return _with_params(line, raw_id, id_, method, found.params)


def on_one_line(text: bytes) -> bytes:
    """Return JSON without the line breaks that may be between its values."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


def _with_params(
    line: bytes, raw_id: msgspec.Raw, id_: RequestId | None, method: str, raw: msgspec.Raw
) -> Message:
    params = _lenient(_params, raw) or _Params()
    meta = None if isinstance(params.meta, msgspec.UnsetType) else _lenient(_metas, params.meta)
    name = getattr(params, _NAMED[method]) if method in _NAMED else None
    version = meta.version if meta is not None else None
    return Message(
        line,
        raw_id,
        id_,
        method,
        version if isinstance(version, str) else None,
        name if isinstance(name, str) else None,
        _as_id(params.request_id) if method == CANCELLED else None,
    )


def _lenient(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        return None  # not the shape of the protocol: the node says so


def _read_id(raw: msgspec.Raw) -> RequestId | None:
    try:
        found = _as_id(msgspec.json.decode(raw))
    except msgspec.DecodeError as error:
        raise Malformed(f"no message of JSON-RPC: {error}") from None
    if found is None and bytes(raw).strip() != b"null":
        raise Malformed("no message of JSON-RPC: its id is neither text nor a number")
    return found


def _as_id(value: object) -> RequestId | None:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def header_value(value: str) -> str:
    """Return text as a header has it; what a header cannot carry goes encoded."""
    if _PLAIN.fullmatch(value) is not None and _ENCODED.fullmatch(value) is None:
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="
