"""A request in another API than the upstream's: what the upstream is asked, and its answer.

This imports all that converts, so ``apis.py`` imports it when the first request is converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_model_proxy.convert import token_count
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream, UpstreamEvents
from clawmatrix_model_proxy.errors import convert_upstream_error
from clawmatrix_model_proxy.neutral.failures import BadAnswer
from clawmatrix_model_proxy.serving.later_codec import client_codec, loaded
from clawmatrix_model_proxy.serving.paths import path_there
from clawmatrix_model_proxy.serving.upstream_call import (
    JSON,
    ErrorAnswer,
    WholeAnswer,
    status_of_error,
)
from clawmatrix_model_proxy.streams.beginning import Beginning, beginning_of
from clawmatrix_model_proxy.streams.sse import EventTooLarge
from clawmatrix_model_proxy.wire import EVENT_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.neutral.codec import NewId
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["Conversion", "ConvertedCall", "CountingCall", "count_path"]


class Conversion(msgspec.Struct, frozen=True):
    """One request that is converted.

    Attributes:
        model, api: what is asked, and the API of its upstream, which has a codec.
        format: the client's.
        body: what the client sent.
        now: seconds since 1970.
        new_id: makes an id that begins with the letters it is given.
    """

    model: ModelUpstream
    api: ModelApi
    format: Format
    body: bytes
    now: float
    new_id: NewId

    def call(self) -> ConvertedCall:
        """Return what is asked for an answer. Raises: Unsupported."""
        bridge = self._bridge(self.format.name)
        path = next(iter(self.api.paths.values()))
        if bridge.request.stream and self.api.stream_path is not None:
            path = self.api.stream_path
        sent = bridge.written(self.model)
        return ConvertedCall(self.format, path_there(self.model, path), sent, bridge)

    def count(self, *, by_answer: bool) -> CountingCall:
        """Return what is asked for the tokens of a request. Raises: Unsupported."""
        bridge = self._bridge("messages")
        method = token_count.count_method(bridge.upstream, by_answer=by_answer)
        sent = method.write(bridge, self.model)
        path = path_there(self.model, method.path or next(iter(self.api.paths.values())))
        return CountingCall(self.format, path, sent, bridge, method.read)

    def _bridge(self, client: str) -> Bridge:
        assert self.api.codec is not None
        bridge = Bridge.read(
            client_codec(client),
            loaded(self.api.codec),
            self.body,
            model=self.model.name_there,
            now=self.now,
            new_id=self.new_id,
            names_model="{model}" not in next(iter(self.api.paths.values())),
        )
        return bridge.fitted_to(self.model)


def count_path(api: ModelApi) -> str | None:
    """Return where an API has tokens counted without an answer, None for nowhere."""
    return None if api.codec is None else token_count.count_method(loaded(api.codec)).path


class ConvertedCall(msgspec.Struct, frozen=True):
    """A request in another API than the upstream's."""

    format: Format
    path: str
    body: bytes
    bridge: Bridge

    @property
    def dropped(self) -> tuple[str, ...]:
        """See UpstreamCall."""
        return self.bridge.dropped

    def weight(self, size: int) -> int:
        """See UpstreamCall."""
        return size

    def stream(self, max_event: int) -> AnswerStream | None:
        """See UpstreamCall."""
        bridge = self.bridge
        if not bridge.request.stream:
            return None
        reader, writer = bridge.reader(), bridge.client.writer(bridge.making)
        api = bridge.upstream.name
        return ConvertedStream(reader, writer, self.format, api, limit=max_event)

    def needs(self, body: bytes) -> str:
        """See UpstreamCall."""
        return ""

    def whole(self, body: bytes, type_: str) -> WholeAnswer:
        """See UpstreamCall."""
        bridge = self.bridge
        if beginning_of(body) is Beginning.EVENTS:
            events = UpstreamEvents(bridge.reader(), limit=len(body))
            try:
                return WholeAnswer(bridge.gathered([*events.feed(body), *events.finish()]), JSON)
            except EventTooLarge:
                raise BadAnswer("an event has no end") from None
        if bridge.request.stream:
            return WholeAnswer(bridge.streamed(body), EVENT_STREAM)
        return WholeAnswer(bridge.whole(body), JSON)

    def error(self, status: int, body: bytes) -> ErrorAnswer:
        """See UpstreamCall."""
        return _own_error(self.bridge, status, body, self.format)


class CountingCall(msgspec.Struct, frozen=True):
    """A question for the number of tokens, to an upstream that answers it in another way."""

    format: Format
    path: str
    body: bytes
    bridge: Bridge
    read: Callable[[bytes], int]
    dropped = ()

    def weight(self, size: int) -> int:
        """See UpstreamCall."""
        return size

    def stream(self, max_event: int) -> None:
        """See UpstreamCall."""
        return

    def needs(self, body: bytes) -> str:
        """See UpstreamCall."""
        return ""

    def whole(self, body: bytes, type_: str) -> WholeAnswer:
        """See UpstreamCall."""
        return WholeAnswer(msgspec.json.encode({"input_tokens": self.read(body)}), JSON)

    def error(self, status: int, body: bytes) -> ErrorAnswer:
        """See UpstreamCall."""
        return _own_error(self.bridge, status, body, self.format)


def _own_error(bridge: Bridge, status: int, body: bytes, format: Format) -> ErrorAnswer:
    """Return an error of an upstream, in the words of its codec where that reads errors."""
    words = bridge.error(status, body)
    if words is None:
        return ErrorAnswer(status_of_error(status), convert_upstream_error(status, body, format))
    status = words.status or status_of_error(status)
    error = format.error(status, {**words.body, "param": None})
    return ErrorAnswer(status, error, words.retry_after)
