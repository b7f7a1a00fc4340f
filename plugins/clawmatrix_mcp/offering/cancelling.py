"""Ends what a client asked for once it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_http.api import CLIENT_GONE

if TYPE_CHECKING:
    import anyio
    from mcp.server.context import ServerRequestContext

__all__ = ["when_gone"]


def when_gone(ctx: ServerRequestContext[Any, Any], scope: anyio.CancelScope) -> None:
    """Have a scope cancelled when the client of a request goes.

    The SDK cancels what a client of 2026-07-28 asked for by itself, and nothing of older clients,
    since they might ask for the answer again: here is no store of answers, so they cannot.
    """
    request = ctx.request
    extension = {} if request is None else request.scope.get("extensions", {}).get(CLIENT_GONE, {})
    if "call" in extension:
        extension["call"](scope.cancel)
