"""How a conversion fails, and an upstream's error. Nodes need these that convert nothing, too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import ClawMatrixError
from clawmatrix_model_proxy.error_text import error_text_of

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["BadAnswer", "ErrorWords", "Unsupported", "UpstreamError"]


class Unsupported(ClawMatrixError):
    """A request has something that the target API does not carry, or that is not valid.

    Attributes:
        param: where it is in the request, as ``messages[2].content[0]``.
    """

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


class BadAnswer(ClawMatrixError):
    """An upstream's answer is not one of its API."""


@attrs.frozen
class ErrorWords:
    """An upstream's error, in the words that the failover table and clients know.

    Attributes:
        message: for a person.
        type: the kind, as ``invalid_request_error``, ``rate_limit_error`` or ``api_error``.
        code: the reason, as ``context_length_exceeded`` or ``content_filter``, where there is one.
        status: the HTTP status that fits where the upstream's own does not, 400 to 599, else None.
        retry_after: seconds to wait before the next request, where the body says so.

    Raises: ValueError, for a malformed status or time to wait.
    """

    message: str
    type: str = "upstream_error"
    code: str | None = None
    status: int | None = attrs.field(default=None)
    retry_after: float | None = attrs.field(default=None)

    @status.validator
    def _check_status(self, _: attrs.Attribute[int | None], value: int | None) -> None:
        if value is not None and (type(value) is not int or not 400 <= value <= 599):
            raise ValueError(f"status must be that of an error, 400 to 599, not {value!r}")

    @retry_after.validator
    def _check_wait(self, _: attrs.Attribute[float | None], value: float | None) -> None:
        if value is not None and not 0 <= value < math.inf:
            raise ValueError(f"retry_after must be a number of seconds, not {value!r}")

    @classmethod
    def of(cls, error: object) -> ErrorWords:
        """Return the words of an error inside a stream, see ``Failed``."""
        fields = error if isinstance(error, dict) else {}
        kind, code = fields.get("type"), fields.get("code")
        return cls(
            error_text_of(error).message or "the upstream's answer is an error",
            kind if isinstance(kind, str) else "upstream_error",
            code if isinstance(code, str) else None,
        )

    @property
    def body(self) -> dict[str, JSON]:
        """The error as an object, which ``Failed`` may have too."""
        return {"message": self.message, "type": self.type, "code": self.code}


class UpstreamError(BadAnswer):
    """An answer with a status of success that is an error all the same.

    Attributes:
        words: the error.
    """

    def __init__(self, words: ErrorWords) -> None:
        super().__init__(words.message)
        self.words = words
