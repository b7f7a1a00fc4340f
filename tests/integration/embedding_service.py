"""A service of its own that embeds a node: uvicorn embedding_service:app"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clawmatrix_core import Config, Node
from clawmatrix_model_proxy.api import ModelError, ModelUpstream, ask_model, serve_models


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    config = Config.from_mapping(
        {
            "node_id": "service",
            "secret": os.environ["MESH_SECRET"],
            "state_dir": os.environ["MESH_STATE"],
        }
    )
    async with Node(config, plugins=["mesh", "relay", "model-proxy"]) as node:
        await serve_models(node, [ModelUpstream("qwen3", os.environ["UPSTREAM"])])
        app.state.node = node
        yield


async def ask(request: Request) -> JSONResponse:
    try:
        answer = await ask_model(request.app.state.node, "qwen3", await request.json())
    except ModelError as error:
        return JSONResponse({"error": error.message}, error.status)
    return JSONResponse(answer)


app = Starlette(routes=[Route("/ask", ask, methods=["POST"])], lifespan=lifespan)
