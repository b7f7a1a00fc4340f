"""How likely the tokens of a text were, in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.responses.slots import list_in, text_in
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read_logprobs", "write_logprobs"]

Token = dict[str, Any]


def read_logprobs(fields: dict[str, Any]) -> list[Token] | None:
    """Read those of a part, None where there are none. Raises: BadAnswer."""
    logprobs = list_in(fields, "logprobs")
    for entry in logprobs:
        for token in (entry, *list_in(entry, "top_logprobs")):
            _check(token)
    return logprobs or None


def _check(token: Token) -> None:
    text_in(token, "token")
    if type(token.get("logprob")) not in (int, float):
        raise BadAnswer("a logprob is not a number")
    if token.get("bytes") is not None and not _is_bytes(token["bytes"]):
        raise BadAnswer("the bytes of a token are none")


def write_logprobs(logprobs: Iterable[Token]) -> list[Token]:
    """Write them with the bytes of each token, which there must be, and chat may leave out."""
    return [
        {**_written(entry), "top_logprobs": list(map(_written, entry.get("top_logprobs") or ()))}
        for entry in logprobs
    ]


def _written(entry: Token) -> Token:
    token, given = str(entry.get("token") or ""), entry.get("bytes")
    data = given if _is_bytes(given) else list(token.encode("utf-8", "surrogatepass"))
    return {"token": token, "logprob": entry.get("logprob") or 0.0, "bytes": data}


def _is_bytes(value: Any) -> bool:
    return isinstance(value, list) and all(type(byte) is int for byte in value)
