"""What the local API has: it asks for models, and manages nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_http import hookspecs
from clawmatrix_http.api import HttpRoute

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

ROUTES = {
    "DELETE /v1/responses/{id}",
    "GET /healthz",
    "GET /metrics",
    "GET /v1/models",
    "GET /v1/models/{id:path}",
    "GET /v1/responses/{id}",
    "GET /v1/responses/{id}/input_items",
    "POST /v1/chat/completions",
    "POST /v1/embeddings",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /v1/responses",
    "POST /v1/responses/{id}/cancel",
}


@pytest.fixture
def anyio_backend() -> str:
    """The HTTP server needs asyncio."""
    return "asyncio"


async def test_built_in_routes_ask_for_models_and_manage_nothing(
    node_factory: NodeFactory,
) -> None:
    built_in = ("mesh", "relay", "http", "control", "model-proxy", "gemini", "audit", "grants")
    async with node_factory("home", built_in=built_in) as node:
        found = node.hooks.collect(hookspecs.register_http_routes, HttpRoute)
        named = {
            f"{method} {route.path}"
            for _, route in found
            for method in route.methods
            if method != "HEAD"
        }
        assert named == ROUTES
        assert {route.path for _, route in found if route.public} == {"/healthz"}
