"""What one request is for an upstream, and what its answer is for the client.

Here both pass as they are; ``conversions.py`` has the calls that are converted.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs
import msgspec

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.errors import ApiError, wrap_upstream_error
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.failures import BadAnswer
from clawmatrix_model_proxy.neutral.sealed import without_seals
from clawmatrix_model_proxy.request_body import with_model
from clawmatrix_model_proxy.streams.beginning import Beginning, beginning_of
from clawmatrix_model_proxy.streams.events import stray_error
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from clawmatrix_model_proxy.streams.stages import is_broken_off
from clawmatrix_model_proxy.wire import EVENT_STREAM
from clawmatrix_model_proxy.workers import PASSED_ON

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = [
    "ErrorAnswer",
    "PassthroughCall",
    "UpstreamCall",
    "WholeAnswer",
    "error_of_answer",
    "status_of_error",
    "unsent",
]

JSON = "application/json"
_REASON = re.compile(rb'_reason"[ \t\r\n]*:[ \t\r\n]*"([^"]*)"')
"""Why an answer in one piece may have ended."""
_OTHER_FORM = "clawmatrix_model_proxy.serving.other_form"
_LONGEST_WAIT = 86_400.0
"""Seconds that a client is told to wait at most: a day."""


class WholeAnswer(msgspec.Struct, frozen=True):
    """A whole body for the client.

    Attributes:
        type: its media type.
        answer_id: the id by which a later request may name the answer.
        item_ids: those by which it may name parts of it.
    """

    body: bytes
    type: str
    answer_id: str = ""
    item_ids: tuple[str, ...] = ()


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An upstream's error for the client.

    Attributes:
        status: its HTTP status.
        wait: seconds to wait before the next request, where the upstream said so in the body.
    """

    status: int
    body: bytes
    wait: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say how long to wait."""
        if self.wait is None:
            return {}
        wait = min(self.wait, _LONGEST_WAIT)
        told = {"retry-after": str(math.ceil(wait))}  # whole seconds, by the rules of HTTP
        if wait != int(wait):
            told["retry-after-ms"] = str(math.ceil(wait * 1000))
        return told


def status_of_error(status: int) -> int:
    """Return the status that a client is told where the upstream's is ``status``."""
    return status if 400 <= status <= 599 else 502


class UpstreamCall(Protocol):
    """What a request is for the upstream, and its answer for the client.

    Attributes:
        format: the client's.
        path: where the upstream takes it.
        body: what the upstream is sent.
        dropped: the places of what the client said and the upstream is not told.
    """

    @property
    def format(self) -> Format:
        """The client's format."""

    @property
    def path(self) -> str:
        """Where the upstream takes the request."""

    @property
    def body(self) -> bytes:
        """What the upstream is sent."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """The places of what the client said and the upstream is not told."""

    def weight(self, size: int) -> int:
        """Return the bytes of an answer as far as there is work in them: see ``workers``."""

    def stream(self, max_event: int) -> AnswerStream | None:
        """Return what turns an upstream's stream into the client's, None where it wants none.

        An event of the upstream's has at most ``max_event`` bytes.
        """

    def needs(self, body: bytes) -> str:
        """Return the module that ``whole`` imports for such an answer, empty for none."""

    def whole(self, body: bytes, type_: str) -> WholeAnswer:
        """Return the client's form of a whole answer. Raises: BadAnswer."""

    def error(self, status: int, body: bytes) -> ErrorAnswer:
        """Return the client's form of an upstream's error."""


_NULL = msgspec.Raw(b"null")


class _Read(msgspec.Struct):
    # What is Raw may be anything, of any size, and is not decoded here.
    id: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    object: msgspec.Raw = _NULL
    choices: msgspec.Raw = _NULL
    content: msgspec.Raw = _NULL
    output: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL

    @property
    def is_error(self) -> bool:
        """Whether the answer says of itself that it is one."""
        return bytes(self.object) == b'"error"'

    @property
    def says_nothing(self) -> bool:
        """Whether there is nothing in it that an answer of any API has."""
        if self.id is not _NULL and bytes(self.id) != b"null":
            return False  # as usual
        parts = (self.choices, self.content, self.output, self.data)
        return all(bytes(part) == b"null" for part in parts)

    def text_of_id(self) -> str:
        """Return the id, empty where it is no text. Raises: what is in NOT_JSON."""
        raw = bytes(self.id)
        text = decode(raw) if raw.startswith(b'"') and len(raw) < _NO_ID else ""
        return text if isinstance(text, str) else ""

    def item_ids(self) -> tuple[str, ...]:
        """Return the ids of the items of a response's output. Raises: what is in NOT_JSON."""
        raw = bytes(self.output)
        try:
            items = _read_items(raw) if raw.startswith(b"[") else []
        except msgspec.ValidationError:
            return ()
        return tuple(item.id for item in items if item.id)


class _Item(msgspec.Struct):
    id: str | None = None


_read_items = msgspec.json.Decoder(list[_Item]).decode
_read = msgspec.json.Decoder(_Read).decode
_NO_ID = 4096
"""Bytes of an answer's id from which on it is none."""


class _Ended(msgspec.Struct):
    finish_reason: Any = None


class _Ending(msgspec.Struct):
    stop_reason: Any = None
    choices: list[_Ended] = []


_read_ending = msgspec.json.Decoder(_Ending).decode


def _broke_off(body: bytes) -> str:
    """Return the reason of an answer's end that means a failure, empty without one."""
    if not any(
        is_broken_off(match[1].decode(errors="replace")) for match in _REASON.finditer(body)
    ):
        return ""  # as always; what a call or a text has of such words is looked at below
    try:
        ending = _read_ending(body)
    except NOT_JSON:
        return ""
    reasons = (ending.stop_reason, *(choice.finish_reason for choice in ending.choices))
    return next((reason for reason in reasons if is_broken_off(reason)), "")


def error_of_answer(body: bytes) -> Any:
    """Return the error that is in an answer whose status says that it is none; None without."""
    try:
        read = _read(body)
        error = decode(body if read.is_error else bytes(read.error)) or None
        return stray_error(decode(body)) if error is None and read.says_nothing else error
    except NOT_JSON:  # fields that are not read need not be text until all is decoded
        return None


@attrs.frozen
class PassthroughCall:
    """A request in the upstream's own API: nothing but its model's name is changed.

    Attributes:
        may_have_failed: the answer is about a response, which may have an error of its own.
    """

    may_have_failed: ClassVar[bool] = False

    format: Format
    path: str
    body: bytes
    streams: bool = False
    dropped = ()

    @classmethod
    def of(
        cls, format: Format, path: str, body: bytes, model: ModelUpstream, *, streams: bool
    ) -> PassthroughCall:
        """Return the call for a request, which ``streams`` where the client wants it so.

        Raises: ExchangeFailure, where it is not JSON.
        """
        try:
            sent = with_model(without_seals(body), model.name_there)
            return cls(format, path, sent, streams)
        except ApiError as error:
            raise unsent("bad_request", str(error), error.param) from None

    def weight(self, size: int) -> int:
        """See UpstreamCall."""
        return size // PASSED_ON

    def stream(self, max_event: int) -> AnswerStream | None:
        """See UpstreamCall."""
        return PassthroughStream(self.format, limit=max_event) if self.streams else None

    def needs(self, body: bytes) -> str:
        """See UpstreamCall."""
        other = self.streams or beginning_of(body) is Beginning.EVENTS
        return _OTHER_FORM if other and self.format.streams else ""

    def whole(self, body: bytes, type_: str) -> WholeAnswer:
        """See UpstreamCall. A stream becomes whole, and a whole answer a stream, as is wanted."""
        if beginning_of(body) is Beginning.EVENTS:
            body, type_ = self._gathered(body), JSON
        ids = self._checked(body)
        if self.streams:
            from clawmatrix_model_proxy.serving import other_form

            asked = self.body or b"{}"
            return WholeAnswer(other_form.streamed(self.format, body, asked), EVENT_STREAM, *ids)
        whole = JSON if type_.lower().startswith(EVENT_STREAM) else type_
        return WholeAnswer(body, whole, *ids)

    def _gathered(self, stream: bytes) -> bytes:
        """Return a stream that came for a whole answer as that answer. Raises: BadAnswer."""
        if not self.format.streams:
            raise BadAnswer("the upstream's answer is a stream, and no answer of its API is one")
        from clawmatrix_model_proxy.serving import other_form  # hardly ever needed

        return other_form.gathered(self.format, stream, self.body or b"{}")

    def _checked(self, body: bytes) -> tuple[str, tuple[str, ...]]:
        """Return the id of a whole answer, and those of its items. Raises: BadAnswer."""
        try:
            read = _read(body)
            failed = read.is_error or (read.error is not _NULL and decode(bytes(read.error)))
            failed = failed or (read.says_nothing and error_of_answer(body) is not None)
            answer_id = read.text_of_id()
            item_ids = read.item_ids() if self.format.name == "responses" else ()
        except NOT_JSON:
            raise BadAnswer("the upstream's answer is not a JSON object") from None
        if failed and not self.may_have_failed:
            raise BadAnswer("the upstream's answer is an error")
        if reason := _broke_off(body):
            raise BadAnswer(f"the upstream broke off: {reason}")
        return answer_id, item_ids

    def error(self, status: int, body: bytes) -> ErrorAnswer:
        """See UpstreamCall."""
        return ErrorAnswer(status_of_error(status), wrap_upstream_error(status, body, self.format))


def unsent(code: str, message: str, param: str | None = None) -> ExchangeFailure:
    """Return the failure of a request that never reaches an upstream."""
    detail = None if param is None else {"param": param}
    return ExchangeFailure(code, message, may_have_begun=False, detail=detail)
