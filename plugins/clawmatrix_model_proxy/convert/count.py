"""Counting the tokens of a request with upstreams that count in another way than was asked.

An upstream of Responses has a path for it. One that has none is asked for an answer of one
token, whose usage says what the prompt came to: exact, but it is a call like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_model_proxy.convert.bridge import decode_object
from clawmatrix_model_proxy.convert.codec import BadAnswer
from clawmatrix_model_proxy.convert.responses import read_count, write_count_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clawmatrix_model_proxy.convert.codec import Codec
    from clawmatrix_model_proxy.convert.request import Request

__all__ = ["Way", "way_of"]


@attrs.frozen
class Way:
    """How an API counts.

    Attributes:
        path: where it is asked; None for where it is asked for answers.
        write: makes the question of a request and a model's name. Raises: Unsupported.
        read: reads the answer. Raises: BadAnswer.
    """

    path: str | None
    write: Callable[[Request, str], bytes]
    read: Callable[[bytes], int]


def way_of(codec: Codec) -> Way:
    """Return how upstreams of an API are asked."""
    if codec.name == "responses":
        return Way(
            "responses/input_tokens",
            lambda request, model: _named(model, write_count_request(request)),
            lambda body: read_count(decode_object(body)),
        )
    return Way(None, lambda *asked: _ask_for_one(codec, *asked), lambda body: _input(codec, body))


def _ask_for_one(codec: Codec, request: Request, model: str) -> bytes:
    settings = {**request.settings, "max_tokens": 1}
    one = attrs.evolve(request, settings=settings, stream=False)
    return _named(model, codec.write_request(one, max_tokens=1))


def _input(codec: Codec, body: bytes) -> int:
    usage = codec.read_answer(decode_object(body)).usage
    if usage is None:
        raise BadAnswer("the upstream does not say how many tokens a request has")
    return usage.input


def _named(model: str, body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"model": model, **body})
