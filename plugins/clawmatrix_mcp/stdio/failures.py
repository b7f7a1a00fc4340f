"""Why the pump has no answer of the node for a request, as the client is told."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["Failed", "error_line"]

FAILED: Final = -32000
"""The code of JSON-RPC for errors that are this program's own."""


class Failed(Exception):
    """A request has no answer of the node.

    Attributes:
        word: a stable word for programs.
        may_have_run: whether the node may have begun with the request.
    """

    def __init__(self, word: str, message: str, *, may_have_run: bool = False) -> None:
        super().__init__(message)
        self.word = word
        self.may_have_run = may_have_run

    def line(self, id_: msgspec.Raw) -> bytes:
        """Return the error as the answer to the request with this id."""
        ran = "it may have run" if self.may_have_run else "it did not run"
        data = {"error": self.word, "mayHaveRun": self.may_have_run}
        return error_line(id_, FAILED, f"{self} ({ran})", data)


def error_line(id_: msgspec.Raw, code: int, message: str, data: object = None) -> bytes:
    """Return an error of JSON-RPC, without a newline at its end."""
    error: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "error": error})
