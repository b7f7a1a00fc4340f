"""One request of a client's API to an upstream of another, and the answer's way back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.dialect import for_upstream, in_dialect
from clawmatrix_model_proxy.convert.fit.request import Fitted, fitted, rules_of
from clawmatrix_model_proxy.convert.fit.tool_names import NamingReader, with_names
from clawmatrix_model_proxy.convert.json_check import JsonReader, checked_json
from clawmatrix_model_proxy.convert.limits import check_request, limited_answer, too_many_values
from clawmatrix_model_proxy.convert.one_call import OneCallReader, with_one_call
from clawmatrix_model_proxy.convert.stop_cut import StopReader, cut_answer
from clawmatrix_model_proxy.convert.stops import check_stops
from clawmatrix_model_proxy.json_values import NOT_JSON, TooManyValues, decode
from clawmatrix_model_proxy.neutral.answer import events_of
from clawmatrix_model_proxy.neutral.bodies import decode_object, error_words
from clawmatrix_model_proxy.neutral.codec import KnowsTools, Making, Unsupported
from clawmatrix_model_proxy.neutral.depth import answer_depth, request_depth
from clawmatrix_model_proxy.neutral.estimate import prompt_tokens
from clawmatrix_model_proxy.neutral.settings import place_of
from clawmatrix_model_proxy.neutral.whole import answer_of

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

__all__ = ["Bridge"]

_encode = msgspec.json.Encoder().encode


@attrs.frozen
class Bridge:
    """Between the API of a client and that of an upstream, for one request.

    Attributes:
        client, upstream: the two APIs.
        request: what was asked.
        making: what goes into answers beside what the upstream said.
        names_model: the upstream's requests name the model in their body.
        fit: the request as the upstream's API takes it; None until ``fitted_to``.
    """

    client: Codec
    upstream: UpstreamCodec
    request: NeutralRequest
    making: Making
    names_model: bool = True
    fit: Fitted | None = None

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
    def fitted_to(self, model: ModelUpstream) -> Bridge:
        """Return the bridge with the request as the model's API takes it. Raises: Unsupported."""
        request = for_upstream(self.request, self.upstream.name, model)
        fit = fitted(request, rules_of(self.upstream), strict=model.strict)
        check_stops(fit.stops, place_of(request, "stop"))
        return attrs.evolve(self, fit=fit)

    @request_depth()
    def written(self, model: ModelUpstream) -> bytes:
        """Return the request for the upstream. Raises: Unsupported."""
        fit = self.fit or self.fitted_to(model).fit
        assert fit is not None
        there = model.name_there
        body = self.upstream.write_request(fit.request, model=there, max_tokens=model.max_tokens)
        named = {"model": there} if self.names_model else {}
        return _encode({**named, **in_dialect(body, self.upstream.name, model)})

    @property
    def dropped(self) -> tuple[str, ...]:
        """The places of settings that the upstream was not told of, once the request is written."""
        return () if self.fit is None else tuple(self.fit.request.dropped)

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
        fit = self.fit or Fitted(self.request)
        if fit.request.tools and isinstance(reader, KnowsTools):
            reader.tools = frozenset(tool.name for tool in fit.request.tools)
        if fit.names:
            reader = NamingReader(reader, fit.names)
        if self.request.parallel is False:
            reader = OneCallReader(reader)
        if fit.stops:
            reader = StopReader(reader, fit.stops, self._prompt_tokens)
        return JsonReader(reader) if fit.wants_json else reader

    def _prompt_tokens(self) -> int:
        return prompt_tokens(self.request)

    def error(self, status: int, body: bytes) -> ErrorWords | None:
        """Return an upstream's error in the words of its codec, None where it has none."""
        return error_words(self.upstream, status, body)

    def _read(self, body: bytes) -> NeutralAnswer:
        read = self.upstream.read_answer(decode_object(body), new_id=self.making.new_id)
        answer, fit = limited_answer(read), self.fit or Fitted(self.request)
        if fit.names:
            answer = with_names(answer, fit.names)
        if self.request.parallel is False:
            answer = with_one_call(answer)
        if fit.stops:
            answer = cut_answer(answer, fit.stops, self._prompt_tokens)
        return checked_json(answer) if fit.wants_json else answer

    @answer_depth()
    def gathered(self, events: Iterable[Event]) -> bytes:
        """Return the events of a whole stream as the answer that the client wants in one piece.

        Raises: UpstreamError, for a stream that failed; BadAnswer, for one without an end.
        """
        answer = limited_answer(answer_of(events))
        return _encode(self.client.write_answer(answer, self.making))


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
