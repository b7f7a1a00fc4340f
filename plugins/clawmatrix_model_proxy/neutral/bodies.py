"""The body of an upstream's answer before a codec reads it, and an error as its codec reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.depth import answer_depth
from clawmatrix_model_proxy.neutral.failures import BadAnswer

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.failures import ErrorWords

__all__ = ["decode_object", "error_words"]


def error_words(codec: object, status: int, body: bytes) -> ErrorWords | None:
    """Return an upstream's error in the words of a codec, None where the codec reads no errors."""
    read_error = getattr(codec, "read_error", None)  # as ``ReadsErrors`` has it
    if read_error is None:
        return None
    try:
        with answer_depth():
            words: ErrorWords = read_error(status, decode_object(body))
            return words
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
