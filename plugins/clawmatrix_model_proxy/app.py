"""The routes of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from clawmatrix_model_proxy.answer import AskLimits, ErrorAnswer, ProxiedAnswer
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.rewrite import read_wanted
from clawmatrix_model_proxy.wire import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Receive

    from clawmatrix_core.node import Node
    from clawmatrix_model_proxy.catalog import Catalog, Listed
    from clawmatrix_model_proxy.health import Health

__all__ = ["ModelApi"]

HOLD_HEADER = "x-clawmatrix-hold"


class ModelApi:
    """The endpoints.

    Args:
        node: asks other nodes.
        catalog: returns who serves what, now.
        limits: how it asks.
        health: how well each target has been doing.
    """

    def __init__(
        self, node: Node, catalog: Callable[[], Catalog], limits: AskLimits, health: Health
    ) -> None:
        self._node = node
        self._catalog = catalog
        self._limits = limits
        self._health = health

    async def chat(self, request: Request) -> Response:
        """``POST /v1/chat/completions``"""
        began = self._node.clock.now()
        body = await _read_body(request.receive)
        try:
            wanted = read_wanted(body)
            choice = self._catalog().resolve(wanted.model, self._node.reachable)
            limits = self._limits_of(request)
        except ApiError as error:
            return ErrorAnswer(error)
        opening = Opening("chat", choice.model, wanted.streams, request.headers.get("accept"))
        return ProxiedAnswer(
            self._node, choice, opening, body, began=began, limits=limits, health=self._health
        )

    def _limits_of(self, request: Request) -> AskLimits:
        wanted = request.headers.get(HOLD_HEADER)
        if wanted is None:
            return self._limits
        try:
            return attrs.evolve(self._limits, hold=parse_hold(wanted))
        except ValueError as error:
            raise ApiError(400, f"the header {HOLD_HEADER}: {error}", param=HOLD_HEADER) from None

    async def list_models(self, request: Request) -> Response:
        """``GET /v1/models``"""
        entries = [self._entry(listed) for listed in self._catalog().list(self._node.reachable)]
        return _json({"object": "list", "data": entries})

    async def one_model(self, request: Request) -> Response:
        """``GET /v1/models/{id}``"""
        name = request.path_params["id"]
        catalog = self._catalog()
        try:
            catalog.resolve(name, self._node.reachable)
        except ApiError as error:
            return ErrorAnswer(error)
        found = (entry for entry in catalog.list(self._node.reachable) if entry.id == name)
        return _json(self._entry(next(found)))

    def _entry(self, listed: Listed) -> dict[str, object]:
        entry: dict[str, object] = {
            "id": listed.id,
            "object": "model",
            "created": int(self._node.started_at),
            "owned_by": ",".join(listed.nodes),
        }
        if listed.description:
            entry["description"] = listed.description
        return entry


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
    import msgspec

    return Response(msgspec.json.encode(value), media_type="application/json")
