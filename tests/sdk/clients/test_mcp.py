"""Agents call a tool of another node by MCP, set up as ``clawmatrix mcp config`` says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import free_port
from tests.sdk.clients.conftest import documented
from tests.sdk.clients.test_claude_code import CLAUDE, QUIET
from tests.sdk.clients.test_codex import CODEX, items
from tests.sdk.clients.test_openclaw import OPENCLAW
from tests.sdk.conftest import NODE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sdk.clients.conftest import Place
    from tests.sdk.conftest import Shed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
QUESTION = "ask the oracle"
WORDS = "the secret word is ibis"
MODEL = "completions"
WAYS = pytest.mark.parametrize("way", [(), ("--stdio",)], ids=["http", "stdio"])


@pytest.fixture
def asked(shed: Shed) -> Callable[[], int]:
    """Return a function that tells how often the tool was asked since the test began."""
    before = shed.noted("oracle asked")
    return lambda: shed.noted("oracle asked") - before


def snippet(place: Place, client: str, *way: str) -> str:
    """Return what the command prints for a client."""
    done = place.mesh.home.cli("mcp", "config", client, *way)
    assert done.returncode == 0, done.stderr
    return done.stdout


@WAYS
def test_claude_code(place: Place, asked: Callable[[], int], way: tuple[str, ...]) -> None:
    (place.work / ".mcp.json").write_text(snippet(place, "claude-code", *way))
    lines = documented(place, "Claude Code", "sh", MODEL).splitlines()
    env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    env |= {"CLAWMATRIX_TOKEN": place.mesh.token, **dict.fromkeys(QUIET, "1")}
    told = ("--mcp-config", ".mcp.json", "--allowedTools", "mcp__clawmatrix__shed__oracle")
    done = place.run(CLAUDE, "-p", QUESTION, *told, "--output-format", "json", **env)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert WORDS in found["result"], found
    assert asked() == 1


@WAYS
def test_codex(place: Place, asked: Callable[[], int], way: tuple[str, ...]) -> None:
    folder = place.home / ".codex"
    folder.mkdir()
    config = documented(place, "Codex", "toml", MODEL) + snippet(place, "codex", *way)
    (folder / "config.toml").write_text(config)
    tokens = {"OPENAI_API_KEY": place.mesh.token, "CLAWMATRIX_TOKEN": place.mesh.token}
    told = ("exec", "--skip-git-repo-check", "-s", "read-only", "--json", QUESTION)
    done = place.run(CODEX, *told, **tokens)
    assert done.stdout, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    [call] = items(events, "mcp_tool_call")
    assert (call["server"], call["tool"], call["status"]) == (
        "clawmatrix",
        "shed__oracle",
        "completed",
    )
    assert WORDS in items(events, "agent_message")[-1]["text"]
    assert asked() == 1


@WAYS
def test_the_gateway_of_openclaw(
    place: Place, asked: Callable[[], int], way: tuple[str, ...]
) -> None:
    port = free_port()
    folder = place.home / ".openclaw"
    folder.mkdir(mode=0o700)
    config = documented(place, "OpenClaw", "json5", MODEL)
    own = f'defaults: {{ workspace: "{place.work}", skipBootstrap: true,'
    config = config.replace("defaults: {", own).rstrip().removesuffix("}")
    servers = json.dumps(json.loads(snippet(place, "openclaw", *way))["mcp"])
    gateway = {
        "mode": "local",
        "port": port,
        "bind": "loopback",
        "auth": {"mode": "token", "token": "of-the-gateway"},
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
    }
    file = folder / "openclaw.json"
    file.write_text(f"{config} mcp: {servers}, gateway: {json.dumps(gateway)} }}")
    checked = place.run(NODE, OPENCLAW, "config", "validate", CLAWMATRIX_TOKEN=place.mesh.token)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with (place.home / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [str(NODE), str(OPENCLAW), "gateway", "run"],
            cwd=place.work,
            env={
                "PATH": f"{NODE.parent}:/usr/bin:/bin",
                "HOME": str(place.home),
                "CLAWMATRIX_TOKEN": place.mesh.token,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        answer = answer_of(process, port, place.home / "gateway.log")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    assert WORDS in answer["choices"][0]["message"]["content"], answer
    assert asked() == 1


def answer_of(process: subprocess.Popen[bytes], port: int, log: Path) -> dict[str, Any]:
    """Ask the agent behind the gateway, once the gateway answers."""
    body = {"model": "openclaw", "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"Authorization": "Bearer of-the-gateway", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    ends = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=100) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except OSError:
            time.sleep(0.5)  # between looks at another process
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ends, log.read_text()
