"""``clawmatrix models`` and ``clawmatrix env``, against a node that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from tests.plugins.model_proxy.asking.asking import Client
from tests.plugins.model_proxy.asking.test_side_calls import EMBEDDINGS
from tests.tools.forking import commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

CONFIG = """
node_id = "home"
secret = "the secret of a mesh that exists in tests only"
state_dir = "state"
plugins = ["control", "http", "model-proxy"]
[http]
listen = "127.0.0.1:0"
[[model-proxy.models]]
id = "qwen3"
base_url = "http://127.0.0.1:1/v1"
description = "a fast one"
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The HTTP server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture
async def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Run a node, and return its configuration."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    path = tmp_path / "clawmatrix.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    async with Node(Config.load(path)):
        yield path


async def run(config: Path, *arguments: str) -> str:
    """Return what a command prints."""
    done = await anyio.to_thread.run_sync(commands().run, ["-c", str(config), *arguments])
    done.check_returncode()
    return done.stdout


async def test_models_are_shown_with_who_serves_them(config: Path) -> None:
    assert (await run(config, "models")).split() == ["qwen3", "home", "a", "fast", "one"]
    [model] = json.loads(await run(config, "models", "--json"))["models"]
    assert model["id"] == "qwen3"
    [node] = model["nodes"]
    assert (node["nodeId"], node["reachable"], node["api"]) == ("home", True, "openai-completions")
    assert [upstream["breaker"] for upstream in node["upstreams"]] == ["closed"]


async def test_env_prints_what_a_shell_can_take(config: Path) -> None:
    found = json.loads(await run(config, "env", "--json"))
    assert found["baseUrl"].startswith("http://127.0.0.1:")
    root, token = found["baseUrl"].removesuffix("/v1"), found["token"]
    bypass = found["noProxy"]
    assert bypass.split(",")[-1] == "127.0.0.1"
    assert await run(config, "env") == (
        f"export OPENAI_BASE_URL={root}/v1 OPENAI_API_KEY={token}\n"
        f"export ANTHROPIC_BASE_URL={root} ANTHROPIC_API_KEY={token}\n"
        f"export CLAWMATRIX_TOKEN={token}\n"
        f"export NO_PROXY={bypass} no_proxy={bypass}\n"
    )


async def test_the_status_says_the_same_of_models(config: Path) -> None:
    status = json.loads(await run(config, "status", "--json"))
    assert status["model-proxy"] == json.loads(await run(config, "models", "--json"))


async def test_what_upstreams_lack_is_shown_to_who_asks(
    upstreaming: Upstreaming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}", status=501)

    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    path = tmp_path / "clawmatrix.toml"
    async with upstreaming(answer) as up:
        path.write_text(CONFIG.replace("http://127.0.0.1:1/v1", up.base_url))
        path.chmod(0o600)
        async with Node(Config.load(path)) as node:
            for _ in range(2):
                await Client(node).call(EMBEDDINGS, EMBEDDINGS, b'{"model": "qwen3", "input": "a"}')
            plain, verbose = await run(path, "models"), await run(path, "models", "-v")
            told = json.loads(await run(path, "models", "--json"))
    line = "home, upstream 0: lacks embeddings (501), for 10 min more"
    assert (line in plain, line in verbose) == (False, True)
    [upstream] = told["models"][0]["nodes"][0]["upstreams"]
    assert [(one["what"], one["why"]) for one in upstream["lacks"]] == [("embeddings", "501")]
