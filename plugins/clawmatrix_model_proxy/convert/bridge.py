"""One request of a client's API to an upstream of another, and the answer's way back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.dialect import for_upstream, in_dialect
from clawmatrix_model_proxy.convert.limits import check_request, limited_answer, too_many_values
from clawmatrix_model_proxy.convert.one_call import OneCallReader, with_one_call
from clawmatrix_model_proxy.faults import fault_of_event
from clawmatrix_model_proxy.json_values import NOT_JSON, TooManyValues, decode
from clawmatrix_model_proxy.neutral.answer import Failed, Gathered, events_of
from clawmatrix_model_proxy.neutral.codec import (
    BadAnswer,
    KnowsTools,
    Making,
    ReadsErrors,
    Unsupported,
)
from clawmatrix_model_proxy.neutral.depth import answer_depth, request_depth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import (
        Codec,
        ErrorWords,
        NewId,
        StreamReader,
        UpstreamCodec,
    )
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["Bridge", "decode_object", "error_words"]

_encode = msgspec.json.Encoder().encode


@attrs.frozen
class Bridge:
    """Between the API of a client and that of an upstream, for one request.

    Attributes:
        client, upstream: the two APIs.
        request: what was asked.
        making: what goes into answers beside what the upstream said.
        names_model: the upstream's requests name the model in their body.
    """

    client: Codec
    upstream: UpstreamCodec
    request: NeutralRequest
    making: Making
    names_model: bool = True

    @classmethod
    @request_depth()
    def read(
        cls,
        client: Codec,
        upstream: UpstreamCodec,
        body: bytes,
        *,
        model: str,
        now: float,
        new_id: NewId,
        names_model: bool = True,
    ) -> Bridge:
        """Read a client's request; ``now`` is in seconds since 1970. Raises: Unsupported."""
        request = client.read_request(_request_object(body))
        check_request(request, len(body))
        options = request.settings.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        return cls(
            client,
            upstream,
            request,
            Making(request, model, int(now), new_id, include_usage=wants_usage),
            names_model,
        )

    @request_depth()
    def written(self, model: ModelUpstream) -> bytes:
        """Return the request for the upstream. Raises: Unsupported."""
        api = self.upstream.name
        request = for_upstream(self.request, api, model)
        there = model.name_there
        body = self.upstream.write_request(request, model=there, max_tokens=model.max_tokens)
        named = {"model": there} if self.names_model else {}
        return _encode({**named, **in_dialect(body, api, model)})

    @answer_depth()
    def whole(self, body: bytes) -> bytes:
        """Return a whole answer as the client's API has it. Raises: BadAnswer."""
        return _encode(self.client.write_answer(self._read(body), self.making))

    @answer_depth()
    def streamed(self, body: bytes) -> bytes:
        """Return a whole answer as the stream that the client wants. Raises: BadAnswer."""
        writer = self.client.writer(self.making)
        return b"".join(writer.write(event) for event in events_of(self._read(body)))

    def reader(self) -> StreamReader:
        """Return a reader of the upstream's stream."""
        reader = self.upstream.reader(new_id=self.making.new_id)
        if self.request.tools and isinstance(reader, KnowsTools):
            reader.tools = frozenset(tool.name for tool in self.request.tools)
        return OneCallReader(reader) if self.request.parallel is False else reader

    def error(self, status: int, body: bytes) -> ErrorWords | None:
        """Return an upstream's error in the words of its codec, None where it has none."""
        return error_words(self.upstream, status, body)

    def _read(self, body: bytes) -> NeutralAnswer:
        read = self.upstream.read_answer(decode_object(body), new_id=self.making.new_id)
        answer = limited_answer(read)
        return with_one_call(answer) if self.request.parallel is False else answer

    @answer_depth()
    def gathered(self, events: Iterable[Event]) -> bytes:
        """Return the events of a whole stream as the answer that the client wants in one piece."""
        gathered = Gathered()
        for event in events:
            if isinstance(event, Failed):
                why = fault_of_event(event.error).message
                raise BadAnswer(f"the stream ended with an error: {why}")
            gathered.take(event)
        if gathered.finish is None:
            raise BadAnswer("the stream has no end")
        answer = limited_answer(gathered.answer())
        return _encode(self.client.write_answer(answer, self.making))


def error_words(codec: object, status: int, body: bytes) -> ErrorWords | None:
    """Return an upstream's error in the words of a codec, None where the codec reads no errors."""
    if not isinstance(codec, ReadsErrors):
        return None
    try:
        with answer_depth():
            return codec.read_error(status, decode_object(body))
    except BadAnswer:
        return None


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises: BadAnswer."""
    try:
        decoded = decode(body)
    except NOT_JSON as error:
        raise BadAnswer(f"the upstream's answer is not JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise BadAnswer("the upstream's answer is not a JSON object")
    return decoded


def _request_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = decode(body)
    except TooManyValues:
        raise too_many_values() from None
    except NOT_JSON as error:
        raise Unsupported("body", f"is not valid JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise Unsupported("body", "is not a JSON object")
    decoded.pop("model", None)
    return decoded
