"""``/v1/responses/{id}``: responses that were given earlier, at the node that gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec
from starlette.responses import Response

from clawmatrix_model_proxy.asking.catalog import Choice
from clawmatrix_model_proxy.asking.health import Health
from clawmatrix_model_proxy.asking.response import ProxiedResponse
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.wire import Opening, StoredAction

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope, Send

    from clawmatrix_model_proxy.asking.asking import Asking

__all__ = ["StoredResponses"]

_QUERY_LIMIT = 2048


class StoredResponses:
    """What is asked about a response by its id; ``asking`` knows which node gave it."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        # What becomes of such questions says nothing of how well a model answers.
        self._health = Health(asking.node.clock.now)

    def answer(self, scope: Scope, action: str) -> ASGIApp:
        """Return what answers a request for an action. Raises: ApiError.

        ``action`` is one of ``StoredAction``; the path of the request has the response's id.
        """
        id_, query = str(scope["path_params"]["id"]), bytes(scope.get("query_string", b""))
        if len(query) > _QUERY_LIMIT:
            raise ApiError(400, f"the query has more than {_QUERY_LIMIT} characters")
        if action == "delete" and self._asking.forget(id_):
            deleted = {"id": id_, "object": "response", "deleted": True}
            return Response(msgspec.json.encode(deleted), media_type="application/json")
        target = self._asking.answers.find(id_)
        if target is None:
            raise ApiError(404, f"Response with id '{id_[:200]}' not found.", param="response_id")
        told = query.decode("latin-1")
        wanted = msgspec.convert({"id": id_, "action": action, "query": told}, StoredAction)
        streams = action == "get" and parse_qs(told).get("stream", ["false"])[-1] == "true"
        opening = Opening("responses", target.model, streams, stored=wanted)
        answer = ProxiedResponse(
            self._asking.node,
            Choice(target.model, (target,), pinned=True),
            opening,
            b"",
            began=self._asking.node.clock.now(),
            limits=self._asking.limits(),
            health=self._health,
        )
        return self._forgetting(answer, id_) if action == "delete" else answer

    def _forgetting(self, answer: ProxiedResponse, id_: str) -> ASGIApp:
        """Return an answer after whose success the response is not known here any more."""

        async def app(scope: Scope, receive: object, send: Send) -> None:
            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] < 300:
                    self._asking.answers.forget(id_)
                await send(message)

            await answer(scope, receive, noting)  # type: ignore[arg-type]

        return app
