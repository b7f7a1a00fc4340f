"""What the asking and the serving node say to each other in a ``model_req`` exchange.

The opening payload is an Opening, then comes the client's request as bytes. The answer is a
Head, then the upstream's bytes. Fields that a version does not know are ignored.
"""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from clawmatrix_core import Bound, ExchangeFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import Exchange

__all__ = [
    "API_HEADERS",
    "EVENT_STREAM",
    "MODEL_LIST",
    "REQUEST",
    "SMALL",
    "TRACE_HEADERS",
    "UPSTREAM_FAILED",
    "UPSTREAM_LIMIT",
    "Head",
    "Opening",
    "Sign",
    "StoredAction",
    "media_type",
    "passed_headers",
    "read_body",
    "read_head",
    "read_opening",
    "read_sign",
    "trace_headers",
]

REQUEST = "model_req"
MODEL_LIST = "model_list"
SMALL = 32 * 1024
"""Bytes of a request that go with its Opening in one frame; more go behind it."""
UPSTREAM_FAILED = "upstream_failed"
"""The code of a failure whose error event, ``detail``, has gone to the client already."""
UPSTREAM_LIMIT = 16
"""Upstreams that one node may offer for one model."""

API_HEADERS = frozenset({"anthropic-version", "anthropic-beta"})
"""Headers of clients that belong to the API, and travel with the request."""

TRACE_HEADERS = ("traceparent", "tracestate", "x-request-id")
"""Headers of clients by which a request is followed from one system to the next."""
TRACE_LENGTH = Bound(
    512,
    "characters of a header by which a request is traced",
    fed_by="a client or a member",
    when_full="the header is left out",
)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?"
)
"""By W3C's Trace Context; later versions may have more behind it."""

_BODILESS = frozenset({204, 205})
"""Statuses of answers that say nothing, which is none here."""
_PASSED = frozenset(
    ("retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-should-retry", "x-request-id")
)
_LIMIT = "x-ratelimit-"
_LIMIT_NAME = re.compile(r"x-ratelimit-[0-9a-z_.-]{1,64}")
_MEDIA_TYPE = re.compile(r"[0-9A-Za-z!#$&^_.+-]+/[0-9A-Za-z!#$&^_.+-]+[ \t]*(?:;[\x20-\x7e]*)?")
EVENT_STREAM = "text/event-stream"
_USUAL = frozenset({"application/json", EVENT_STREAM})
"""Media types that are well formed, and need no look."""

PASSED_MOST = Bound(
    32,
    "headers of one answer that are passed on to the client",
    fed_by="an upstream",
    when_full="further headers are left out",
)
PASSED_LENGTH = Bound(
    1024,
    "characters of the value of a header that is passed on",
    fed_by="an upstream",
    when_full="the header is left out",
)


class StoredAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be done with a response that an upstream keeps.

    Attributes:
        id: the response's.
        action: get it, get its input items, cancel it, or delete it.
        query: what stands behind the ``?`` of the client's request.
    """

    id: str
    action: Literal["get", "input_items", "cancel", "delete"] = "get"
    query: str = ""


class Opening(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked for.

    Attributes:
        format: the API that the request is written in.
        model: the id under which this node offers the model.
        stream: whether the client wants the answer as it comes.
        accept: the client's Accept header.
        upstream: which of the node's upstreams of that model, by its place in the list.
        headers: those of the client's headers that belong to the API, or trace the request.
        signs: whether this node takes a ``Sign`` before the head. Older ones do not.
        stored: what to do with a response that was given earlier; None for a new one.
    """

    format: str
    model: str
    stream: bool = False
    accept: str | None = None
    upstream: int = 0
    headers: dict[str, str] = {}
    signs: bool = False
    stored: StoredAction | None = None


class Sign(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What may come of a streamed answer before its head, any number of times.

    Attributes:
        alive: the model works, though it has said nothing yet.
        first_token: seconds in which the answer has to begin while another candidate is left, from
            the request; 0 where this says nothing about that.
    """

    alive: bool = False
    first_token: float = 0.0


class Head(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How the upstream's answer begins.

    Attributes:
        status: its HTTP status.
        content_type: its media type.
        upstream_model: the name the upstream was asked by.
        upstream_ms: milliseconds the upstream took up to here.
        headers: those of its headers that clients act on.
        answer_id: the id of the answer, where a later request may name it.
        lacks: endpoints that the upstream is known to lack.
        dropped: what the client said and the upstream was not told, with commas between.
    """

    status: int
    content_type: str = "application/json"
    upstream_model: str = ""
    upstream_ms: float = 0.0
    headers: dict[str, str] = {}
    answer_id: str = ""
    lacks: tuple[str, ...] = ()
    dropped: str = ""

    @property
    def streams(self) -> bool:
        """True where the body is a stream of events."""
        return self.status < 300 and self.content_type.lower().startswith(EVENT_STREAM)


def read_opening(payload: Any) -> Opening:
    """Return what is asked for. Raises: ExchangeFailure, before anything has begun."""
    try:
        return msgspec.convert(payload, Opening)
    except msgspec.ValidationError as error:
        raise ExchangeFailure(
            "bad_request", f"a request this node does not understand: {error}", may_have_begun=False
        ) from None


def read_sign(payload: Any) -> Sign | None:
    """Return the sign that a payload is; None where it is none. Raises: ExchangeFailure."""
    if not isinstance(payload, dict) or not ("alive" in payload or "firstToken" in payload):
        return None
    try:
        sign = msgspec.convert(payload, Sign)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"no sign of an answer: {error}") from None
    if not 0 <= sign.first_token < math.inf:
        raise ExchangeFailure("bad_answer", f"a sign with the time {sign.first_token}")
    return sign


def read_head(payload: Any) -> Head:
    """Return how the answer begins. Raises: ExchangeFailure."""
    try:
        head = msgspec.convert(payload, Head)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"not the beginning of an answer: {error}") from None
    if head.status in _BODILESS or not (200 <= head.status < 300 or 400 <= head.status < 600):
        raise ExchangeFailure("bad_answer", f"an answer with status {head.status}")
    return head


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of an upstream that are passed on to the client.

    They are those that clients act on. One whose name is no word of HTTP, or whose value is no
    line of text, is left out: an upstream or a peer has made it up.
    """
    passed = {}
    for name, value in headers.items():
        if _is_passed(name, value):
            passed[name] = value
            if len(passed) >= PASSED_MOST:
                break
    return passed


def trace_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of a client that trace its request, as far as they are well formed.

    What is malformed is left out: a request is not refused for it. Without its ``traceparent`` a
    ``tracestate`` says nothing.
    """
    found = {}
    for name in TRACE_HEADERS:
        value = headers.get(name)
        if value and len(value) <= TRACE_LENGTH and value.isascii() and value.isprintable():
            found[name] = value
    if found and _TRACEPARENT.fullmatch(found.get("traceparent", "")) is None:
        found.pop("traceparent", None)
        found.pop("tracestate", None)
    return found


def _is_passed(name: str, value: str) -> bool:
    if name not in _PASSED and not (name.startswith(_LIMIT) and _LIMIT_NAME.fullmatch(name)):
        return False
    return len(value) <= PASSED_LENGTH and value.isascii() and value.isprintable()


def media_type(value: str) -> str:
    """Return a content type of an upstream as a header may have it.

    An invalid one is replaced by that of an event stream, where it begins so, and else by that of
    JSON, which all APIs answer with.
    """
    if value in _USUAL or (
        len(value) <= PASSED_LENGTH and _MEDIA_TYPE.fullmatch(value) is not None
    ):
        return value
    return EVENT_STREAM if value.lower().startswith(EVENT_STREAM) else "application/json"


async def read_body(
    exchange: Exchange,
    limit: int,
    code: str,
    limit_name: str,
    taken: Callable[[int], None] = lambda size: None,
) -> bytes:
    """Return the bytes of an exchange up to its end.

    Args:
        exchange: what is read.
        limit: bytes it may have.
        code: the code of the error beyond that.
        limit_name: the name of the limit, for the text of the error.
        taken: told of bytes that came in, before they are kept.

    Raises: ExchangeFailure with the code, over the limit; other ExchangeErrors.
    """
    first, size = b"", 0
    whole: BytesIO | None = None
    async for piece in exchange:
        if not isinstance(piece, bytes):
            raise ExchangeFailure("bad_request", f"{exchange.peer} sent JSON in place of bytes")
        if size + len(piece) > limit:
            raise ExchangeFailure(code, f"more than {limit:d} bytes ({limit_name})")
        taken(len(piece))
        if not size:
            first = piece
        elif whole is not None:
            whole.write(piece)
        else:  # one large block goes back to the system, which many small ones do not
            whole = BytesIO()
            whole.write(first)
            whole.write(piece)
        size += len(piece)
    return first if whole is None else whole.getvalue()
