"""Answers of HTTP that an MCP client understands as errors; without the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from starlette.types import Send

    from clawmatrix_core import JSON

__all__ = ["refuse", "rpc_error"]


def rpc_error(message: str) -> JSON:
    """Return an error of JSON-RPC that answers no request in particular."""
    return {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": message}}


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with an error of JSON-RPC; what is refused for now may be asked again."""
    body = msgspec.json.encode(rpc_error(message))
    headers = [(b"content-type", b"application/json")]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
