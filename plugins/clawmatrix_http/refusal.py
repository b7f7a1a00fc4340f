"""Errors in the shape that the clients of each API understand."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs
import msgspec

__all__ = ["HttpRefusal", "Shape", "shape_of_path"]

Shape: TypeAlias = Literal["openai", "anthropic", "plain"]

_ANTHROPIC = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    500: "api_error",
}
_encode = msgspec.json.Encoder().encode


@attrs.frozen
class HttpRefusal:
    """An error that the server itself answers with.

    ``code`` is a stable word for programs, ``headers`` go out beside the usual ones.
    """

    status: int
    code: str
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self, shape: Shape) -> bytes:
        """Return the JSON of the error."""
        if shape == "openai":
            kind = "server_error" if self.status >= 500 else "invalid_request_error"
            error = {"message": self.message, "type": kind, "param": None, "code": self.code}
            return _encode({"error": error})
        if shape == "anthropic":
            kind = _ANTHROPIC.get(self.status, "invalid_request_error")
            return _encode({"type": "error", "error": {"type": kind, "message": self.message}})
        return _encode({"error": self.message})


def shape_of_path(path: str) -> Shape:
    """Return the shape for a path that no route has."""
    return "openai" if path == "/v1" or path.startswith("/v1/") else "plain"
