"""The HTTP endpoints: a request is read, its candidates are chosen, and a response is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs
import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from clawmatrix_model_proxy.asking.catalog import Choice
from clawmatrix_model_proxy.asking.previous_responses import PreviousResponses
from clawmatrix_model_proxy.asking.response import AskLimits, ErrorResponse, ProxiedResponse
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.request_body import Wanted, read_wanted
from clawmatrix_model_proxy.streams.formats import FORMATS, Format
from clawmatrix_model_proxy.wire import API_HEADERS, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.asking.catalog import Catalog, ListedModel
    from clawmatrix_model_proxy.asking.health import Health

__all__ = ["HOLD_HEADER", "ModelEndpoints"]

HOLD_HEADER = "x-clawmatrix-hold"
HEADER_LIMIT = 8 * 1024
"""Characters of a header that travels with a request."""


class ModelEndpoints:
    """The endpoints of models.

    Args:
        node: asks other nodes.
        catalog: returns who serves what, now.
        limits: returns how it asks, now.
        health: how well each target has been doing.
    """

    def __init__(
        self,
        node: Node,
        catalog: Callable[[], Catalog],
        limits: Callable[[], AskLimits],
        health: Health,
    ) -> None:
        self._node = node
        self._catalog = catalog
        self._limits = limits
        self._health = health
        self._answers = PreviousResponses()

    def app(self, name: str) -> ASGIApp:
        """Return the application that answers requests in a format."""
        format = FORMATS[name]

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            began = self._node.clock.now()
            body = await _read_body(receive)
            try:
                answer = self._answer(body, _headers_of(scope), format, began)
            except ApiError as error:
                answer = ErrorResponse(error, format)
            await answer(scope, receive, send)

        return answer

    def _answer(
        self, body: bytes, headers: Mapping[str, str], format: Format, began: float
    ) -> ASGIApp:
        """Return the answer to a request, not yet asked for. Raises: ApiError."""
        wanted = read_wanted(body)
        choice = self._choose(wanted)
        limits = self._limits_of(headers)
        _check_lengths(headers)
        opening = Opening(
            format.name,
            choice.model,
            wanted.streams and format.streams,
            headers.get("accept"),
            headers={name: headers[name] for name in API_HEADERS if name in headers},
        )
        remember = self._answers.remember if format.name == "responses" else None
        return ProxiedResponse(
            self._node,
            choice,
            opening,
            body,
            began=began,
            limits=limits,
            health=self._health,
            remember=remember,
        )

    def _choose(self, wanted: Wanted) -> Choice:
        choice = self._catalog().resolve(wanted.model, self._node.reachable)
        if wanted.previous is None:
            return choice
        target = self._answers.find(wanted.previous)
        if target is None or target not in choice.targets:
            raise ApiError(
                400,
                f"the response {wanted.previous[:200]!r} is not known here, or is another model's:"
                " send the whole conversation instead",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return Choice(choice.model, (target,), pinned=True)

    def _limits_of(self, headers: Mapping[str, str]) -> AskLimits:
        wanted = headers.get(HOLD_HEADER)
        if wanted is None:
            return self._limits()
        try:
            return attrs.evolve(self._limits(), hold=parse_hold(wanted))
        except ValueError as error:
            raise ApiError(400, f"the header {HOLD_HEADER}: {error}", param=HOLD_HEADER) from None

    # --- models

    async def list_models(self, request: Request) -> Response:
        """``GET /v1/models``"""
        listed = list(self._catalog().list(self._node.reachable))
        if "anthropic-version" not in request.headers:
            return _json({"object": "list", "data": [self._entry(one) for one in listed]})
        entries = [self._anthropic_entry(one) for one in listed]
        ends = {
            "first_id": entries[0]["id"] if entries else None,
            "last_id": entries[-1]["id"] if entries else None,
        }
        return _json({"data": entries, "has_more": False, **ends})

    async def one_model(self, request: Request) -> Response:
        """``GET /v1/models/{id}``"""
        name = request.path_params["id"]
        catalog = self._catalog()
        anthropic = "anthropic-version" in request.headers
        try:
            catalog.resolve(name, self._node.reachable)
        except ApiError as error:
            return ErrorResponse(error, FORMATS["messages" if anthropic else "chat"])
        found = next(entry for entry in catalog.list(self._node.reachable) if entry.id == name)
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


_WANTED = {name.encode(): name for name in ("accept", HOLD_HEADER, *API_HEADERS)}


def _headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers that are acted on, in one pass; of a repeated one the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if (wanted := _WANTED.get(name)) is not None:
            found.setdefault(wanted, value.decode("latin-1"))
    return found


def _check_lengths(headers: Mapping[str, str]) -> None:
    """Raises: ApiError, where a header is too long to travel with a request."""
    for name, value in headers.items():
        if len(value) > HEADER_LIMIT:
            message = f"the header {name} has more than {HEADER_LIMIT} characters"
            raise ApiError(400, message, param=name)


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
