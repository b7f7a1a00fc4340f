"""What the plugin imports, and what the doctor says of an upstream that speaks its API."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clawmatrix_core
import clawmatrix_gemini
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_gemini.plugin import GeminiPlugin
from clawmatrix_model_proxy import api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

KEY = "key-of-gemini-0123456789"
OWN = Path(clawmatrix_gemini.__file__).parent


def imports() -> Iterator[tuple[str, str]]:
    for file in OWN.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                yield from ((node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)


def test_it_imports_nothing_of_clawmatrix_that_a_stranger_could_not() -> None:
    found = set(imports())
    ours = {(module, name) for module, name in found if module.startswith("clawmatrix_")}
    others = {one for one in ours if not one[0].startswith("clawmatrix_gemini")}
    assert {module for module, _ in others} == {"clawmatrix_core", "clawmatrix_model_proxy.api"}
    for module, name in others:
        assert name in (api if module.endswith("api") else clawmatrix_core).__all__


@pytest.mark.anyio
async def test_the_doctor_asks_the_upstream_for_its_models(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def lists(asked: Asked) -> None:
        if f"x-goog-api-key: {KEY}".encode() not in asked.head:
            detail = {"reason": "API_KEY_INVALID"}
            error = {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}
            refused = json.dumps({"error": {**error, "details": [detail]}})
            await asked.answer(refused.encode(), status=400)
            return
        pages = {
            b"/v1beta/models": {"models": [{"name": "models/gemini-2"}], "nextPageToken": "a/b"},
            b"/v1beta/models?pageToken=a%2Fb": {"models": [{"name": "models/gemini-3-pro"}]},
        }
        await asked.answer(json.dumps(pages[asked.head.split(b" ")[1]]).encode())

    async with upstreaming(lists) as up:
        base_url = up.base_url.removesuffix("/v1") + "/v1beta"
        known = {"base_url": base_url, "api": "google-generative-ai", "api_key": KEY}
        models = [
            {"id": "gemini-3-pro", **known},
            {"id": "gemini-9", **known},
            {"id": "g", **known, "upstream_model": "models/gemini-3-pro"},
            {"id": "x", **known, "api_key": "another-key-0123456789"},
        ]
        config = {"model-proxy": {"models": models}}
        built_in = ("model-proxy",)
        node = node_factory("a", built_in=built_in, plugins=[GeminiPlugin()], config=config)
        async with node:
            found = await run_checks(node.checks())
    told = [(one.status, one.detail) for one in found if one.name == "model-proxy.upstream"]
    assert [status for status, _ in told] == ["ok", "warning", "ok", "problem"]
    assert "does not list 'gemini-9'" in told[1][1]
    assert "refuses the key (HTTP 400)" in told[3][1]
