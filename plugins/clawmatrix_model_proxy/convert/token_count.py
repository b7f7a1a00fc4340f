"""Counting the tokens of a request with upstreams that count in another way than was asked.

An upstream of Responses has a path for it, and so may one of a plugin's API. One that has none
is asked for the shortest answer, whose usage says what the prompt came to: exact, but it is a
call like any other. The same is done where a server lacks the path that its API has for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_model_proxy.convert.responses.codec import read_count, write_count_request
from clawmatrix_model_proxy.neutral.bodies import decode_object
from clawmatrix_model_proxy.neutral.codec import BadAnswer, CountsTokens
from clawmatrix_model_proxy.neutral.depth import answer_depth, request_depth

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.convert.bridge import Bridge
    from clawmatrix_model_proxy.neutral.codec import UpstreamCodec

__all__ = ["CountMethod", "count_method"]

_SHORTEST = {"responses": 16}
"""Tokens of the shortest answer that an API lets one ask for, where that is not one."""


class CountMethod(msgspec.Struct, frozen=True):
    """How an API counts.

    Attributes:
        path: where it is asked; None for where it is asked for answers.
        write: makes the question of a request. Raises: Unsupported.
        read: reads the answer. Raises: BadAnswer.
    """

    path: str | None
    write: Callable[[Bridge, ModelUpstream], bytes]
    read: Callable[[bytes], int]


def count_method(codec: UpstreamCodec, *, by_answer: bool = False) -> CountMethod:
    """Return how upstreams of an API are asked; ``by_answer`` for one that lacks a path for it."""
    if by_answer:
        return CountMethod(None, _ask_for_one, lambda body: _input(codec, body))
    if codec.name == "responses":
        return CountMethod(
            "responses/input_tokens", _ask_for_count, lambda body: read_count(decode_object(body))
        )
    counts: object = codec
    if isinstance(counts, CountsTokens):
        return _own_method(counts)
    return count_method(codec, by_answer=True)


def _own_method(codec: CountsTokens) -> CountMethod:
    """Return how a codec asks that knows a way of its own."""

    @request_depth()
    def write(bridge: Bridge, model: ModelUpstream) -> bytes:
        there = model.name_there
        named = {} if "{model}" in codec.count_path else {"model": there}
        request = bridge.request if bridge.fit is None else bridge.fit.request
        return msgspec.json.encode({**named, **codec.write_count(request, model=there)})

    return CountMethod(codec.count_path, write, lambda body: codec.read_count(decode_object(body)))


@request_depth()
def _ask_for_count(bridge: Bridge, model: ModelUpstream) -> bytes:
    request = bridge.request if bridge.fit is None else bridge.fit.request
    question = {"model": model.name_there, **write_count_request(request)}
    return msgspec.json.encode(question)


def _ask_for_one(bridge: Bridge, model: ModelUpstream) -> bytes:
    shortest = _SHORTEST.get(bridge.upstream.name, 1)
    settings = {**bridge.request.settings, "max_tokens": shortest}
    one = attrs.evolve(bridge.request, settings=settings, stream=False)
    return attrs.evolve(bridge, request=one, fit=None).written(model)


@answer_depth()
def _input(codec: UpstreamCodec, body: bytes) -> int:
    usage = codec.read_answer(decode_object(body), new_id=str).usage
    if usage is None:
        raise BadAnswer("the upstream does not say how many tokens a request has")
    return usage.input
