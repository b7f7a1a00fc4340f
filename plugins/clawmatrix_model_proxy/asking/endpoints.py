"""The HTTP endpoints: a request is read, and an answer chosen for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from anyio.lowlevel import checkpoint
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from clawmatrix_http.api import HttpRoute
from clawmatrix_model_proxy.asking.asking import HEADERS
from clawmatrix_model_proxy.asking.stored_responses import StoredResponses
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.refusals import anthropic_error, openai_error
from clawmatrix_model_proxy.streams.formats import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from clawmatrix_model_proxy.asking.asking import Asking
    from clawmatrix_model_proxy.asking.catalog import ListedModel

__all__ = ["ModelEndpoints"]


class ErrorResponse(Response):
    """An error in the API's shape."""

    def __init__(self, error: ApiError, format: Format) -> None:
        super().__init__(error.body(format), error.status, media_type="application/json")


class ModelEndpoints:
    """The endpoints of models; ``asking`` has the answers."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._node = asking.node
        self._catalog = asking.catalog
        self._stored = StoredResponses(asking)

    def app(self, name: str) -> ASGIApp:
        """Return the application that answers requests in a format."""
        format = FORMATS[name]

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            began = self._node.clock.now()
            body = await _read_body(receive)
            try:
                answer: ASGIApp = self._asking.answer(body, _headers_of(scope), format, began)
            except ApiError as error:
                answer = ErrorResponse(error, format)
            await answer(scope, receive, send)

        return answer

    def stored(self, action: str) -> ASGIApp:
        """Return the application that answers questions about responses that were given."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await _read_body(receive)
            deletes = scope["method"] == "DELETE"
            try:
                found = self._stored.answer(scope, "delete" if deletes else action)
            except ApiError as error:
                found = ErrorResponse(error, FORMATS["responses"])
            await found(scope, receive, send)

        return answer

    def routes(self) -> list[HttpRoute]:
        """Return the paths of models."""
        get, post, openai, anthropic = ("GET",), ("POST",), openai_error, anthropic_error
        one = "/v1/responses/{id}"
        return [
            HttpRoute("/v1/models", get, self.list_models, openai),
            HttpRoute("/v1/models/{id:path}", get, self.one_model, openai),
            HttpRoute("/v1/chat/completions", post, app=self.app("chat"), errors=openai),
            HttpRoute("/v1/responses", post, app=self.app("responses"), errors=openai),
            HttpRoute(one, ("GET", "DELETE"), app=self.stored("get"), errors=openai),
            HttpRoute(f"{one}/cancel", post, app=self.stored("cancel"), errors=openai),
            HttpRoute(f"{one}/input_items", get, app=self.stored("input_items"), errors=openai),
            HttpRoute("/v1/embeddings", post, app=self.app("embeddings"), errors=openai),
            HttpRoute("/v1/messages", post, app=self.app("messages"), errors=anthropic),
            HttpRoute(
                "/v1/messages/count_tokens", post, app=self.app("count_tokens"), errors=anthropic
            ),
        ]

    # --- models

    async def list_models(self, request: Request) -> Response:
        """``GET /v1/models``"""
        if "anthropic-version" not in request.headers:
            return _json({"object": "list", "data": await self._listed(self._entry)})
        entries = await self._listed(self._anthropic_entry)
        ends = {
            "first_id": entries[0]["id"] if entries else None,
            "last_id": entries[-1]["id"] if entries else None,
        }
        return _json({"data": entries, "has_more": False, **ends})

    async def _listed(
        self, entry_of: Callable[[ListedModel], dict[str, object]]
    ) -> list[dict[str, object]]:
        """Return the entries of all models, with other work in between where there are many."""
        entries: list[dict[str, object]] = []
        for listed in self._catalog().list(self._node.reachable):
            entries.append(entry_of(listed))
            if len(entries) % _SLICE == 0:
                await checkpoint()
        return entries

    async def one_model(self, request: Request) -> Response:
        """``GET /v1/models/{id}``"""
        name = request.path_params["id"]
        anthropic = "anthropic-version" in request.headers
        try:
            found = self._catalog().entry(name, self._node.reachable)
        except ApiError as error:
            return ErrorResponse(error, FORMATS["messages" if anthropic else "chat"])
        return _json(self._anthropic_entry(found) if anthropic else self._entry(found))

    def _entry(self, listed: ListedModel) -> dict[str, object]:
        entry: dict[str, object] = {
            "id": listed.id,
            "object": "model",
            "created": int(self._node.started_at),
            "owned_by": ",".join(listed.nodes),
        }
        if listed.description:
            entry["description"] = listed.description
        return entry

    def _anthropic_entry(self, listed: ListedModel) -> dict[str, object]:
        created = datetime.fromtimestamp(int(self._node.started_at), UTC)
        return {
            "type": "model",
            "id": listed.id,
            "display_name": listed.description or listed.id,
            "created_at": created.isoformat().replace("+00:00", "Z"),
        }


_SLICE = 500
"""Models that are listed in one go."""
_WANTED = {name.encode(): name for name in HEADERS}


def _headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers that are acted on, in one pass; of a repeated one the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if (wanted := _WANTED.get(name)) is not None:
            found.setdefault(wanted, value.decode("latin-1"))
    return found


async def _read_body(receive: Receive) -> bytes:
    """Return the body of a request. Raises: ClientDisconnect."""
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
