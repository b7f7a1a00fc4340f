"""An upstream that keeps responses, as OpenAI's own server does, and what is asked of it."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from clawmatrix_model_proxy.wire import REQUEST, Head, Opening, StoredAction, read_head
from tests.plugins.model_proxy.asking.asking import Client

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from tests.plugins.model_proxy.conftest import Asked

__all__ = ["KeepingUpstream", "ask_office", "create", "handle", "responses_of"]

ONE = "/v1/responses/{id}"


@attrs.define
class KeepingUpstream:
    """Answers requests of the Responses API and keeps what it answered.

    Attributes:
        kept: the responses by their ids.
        asked: the method and the path of each request, with its query.
        bodies, sent: the requests for an answer, decoded and as they came.
        lacks: it has no path for a response.
    """

    kept: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    asked: list[tuple[str, str]] = attrs.field(factory=list)
    bodies: list[dict[str, Any]] = attrs.field(factory=list)
    sent: list[bytes] = attrs.field(factory=list)
    lacks: bool = False
    _numbers: Any = attrs.field(factory=lambda: count(1))

    async def answer(self, asked: Asked) -> None:
        """Answer one request."""
        method, target, _ = asked.head.decode().split("\r\n")[0].split()
        self.asked.append((method, target))
        parts = urlsplit(target).path.removeprefix("/v1/responses").split("/")[1:]
        if not parts:
            await self._create(asked)
        elif self.lacks:
            await self._send(asked, {"detail": "Not Found"}, 404)
        elif parts[0] not in self.kept:
            words = f"Response with id '{parts[0]}' not found."
            await self._send(asked, {"error": {"message": words, "code": None}}, 404)
        else:
            await self._send(asked, self._about(method, *parts))

    async def _create(self, asked: Asked) -> None:
        self.sent.append(asked.body)
        body = json.loads(asked.body)
        self.bodies.append(body)
        number = next(self._numbers)
        whole = not body.get("background")
        said = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": []}
        made: dict[str, Any] = {
            "id": f"resp_{number}",
            "object": "response",
            "status": "completed" if whole else "queued",
            "model": "m",
            "output": [said] if whole else [],
            "error": None,
        }
        if body.get("store") is not False:
            self.kept[made["id"]] = made | {"output": [said], "status": "completed"}
        if not body.get("stream"):
            await self._send(asked, made)
            return
        await asked.begin_stream()
        for kind in ("response.created", "response.completed"):
            event = {"type": kind, "response": made}
            await asked.chunk(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())
        await asked.end_stream()

    def _about(self, method: str, id_: str, *behind: str) -> dict[str, Any]:
        if behind == ("input_items",):
            return {"object": "list", "data": [], "has_more": False}
        if behind == ("cancel",):
            self.kept[id_]["status"] = "cancelled"
        if method == "DELETE":
            del self.kept[id_]
            return {"id": id_, "object": "response", "deleted": True}
        return self.kept[id_]

    async def _send(self, asked: Asked, body: dict[str, Any], status: int = 200) -> None:
        await asked.answer(json.dumps(body).encode(), status=status)


async def create(node: Node, **body: Any) -> Client:
    """Have a client of a node ask for a response."""
    client = Client(node)
    request = {"model": "m", "input": "hello", **body}
    await client.call("/v1/responses", "/v1/responses", json.dumps(request).encode())
    return client


async def handle(
    node: Node, id_: str, action: str = "", *, method: str = "GET", query: bytes = b""
) -> Client:
    """Have a client of a node ask about a response; ``action`` is what stands behind its id."""
    client = Client(node, method=method, query=query)
    await client.call(f"{ONE}{action}", f"/v1/responses/{id_}{action}", b"", id=id_)
    return client


def responses_of(client: Client) -> Any:
    """Return the JSON that a client got."""
    return json.loads(client.body)


async def ask_office(
    node: Node, body: dict[str, Any] | bytes = b"", *, stored: StoredAction | None = None
) -> tuple[Head, Any]:
    """Have a member ask office itself, whatever its own node knows. Raises: ExchangeError."""
    opening = Opening("responses", "m", stored=stored)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with node.exchange("office", REQUEST, opening, deadline=10) as exchange:
        await exchange.finish(sent)
        head = read_head(await exchange.receive())
        pieces = [piece async for piece in exchange]
        return head, json.loads(b"".join(pieces))
