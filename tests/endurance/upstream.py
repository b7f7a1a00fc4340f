"""The upstream of the endurance run: it answers chats and embeddings, and one model is hostile.

``python -m tests.endurance.upstream --port 8000`` runs it.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route

from clawmatrix_model_proxy.demo.embedded import Stats, make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

__all__ = ["vector_of"]

NEWLINES = 512 * 1024
"""Bytes in each piece of the endless answer."""


def vector_of(text: str) -> list[float]:
    """Return what this upstream answers for a text."""
    return [float(len(text)), float(sum(text.encode()) % 1000)]


async def embed(request: Request) -> JSONResponse:
    asked = json.loads(await request.body())
    entry = {"object": "embedding", "index": 0, "embedding": vector_of(asked["input"])}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return JSONResponse(
        {"object": "list", "data": [entry], "model": asked["model"], "usage": usage}
    )


async def newlines(request: Request) -> StreamingResponse:
    await request.body()

    def pieces() -> Iterator[bytes]:
        while True:
            yield b"\n" * NEWLINES

    return StreamingResponse(pieces(), media_type="text/event-stream")


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    routes = [
        Route("/v1/embeddings", embed, methods=["POST"]),
        Route("/newlines/chat/completions", newlines, methods=["POST"]),
        Mount("/", make_app(Stats())),
    ]
    port = parser.parse_args().port
    app = Starlette(routes=routes)
    uvicorn.run(app, port=port, ws="none", lifespan="off", log_level="warning")


if __name__ == "__main__":
    main()
