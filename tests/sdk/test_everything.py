"""``server-everything`` mounted two hops away answers a client as it does directly, key by key.

What differs is listed in docs/mcp.md under "What is not the same".
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.integration.conftest import NodeProcess, wait_for
from tests.sdk.conftest import HERE, NODE, SHED, running, running_mesh

pytest.importorskip("clawmatrix_mcp.mounting")

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
COMMAND = [str(NODE), str(SERVER), "stdio"]
CLIENT = {"name": "test", "version": "1"}
ABOUT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
MODERN: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
PREFIX = f"mesh://{SHED}/every/"
CALLS: dict[str, list[dict[str, Any]]] = {
    "echo": [{"message": "hello"}, {"message": "ünïcode\n\u2028\ud83d\ude00"}, {"message": ""}],
    "get-annotated-message": [
        {"messageType": "error"},
        {"messageType": "debug", "includeImage": True},
    ],
    "get-resource-links": [{}, {"count": 3}],
    "get-resource-reference": [
        {"resourceType": "Text", "resourceId": 1},
        {"resourceType": "Blob", "resourceId": 2},
        {"resourceType": "Text", "resourceId": -1},
    ],
    "get-structured-content": [{"location": "New York"}, {"location": "Chicago"}],
    "get-sum": [{"a": 1, "b": 2}, {"a": 0.1, "b": 1e300}, {"a": -7, "b": 7}],
    "get-tiny-image": [{}],
    "trigger-long-running-operation": [{"duration": 0.2, "steps": 4}],
}
"""What each tool is called with."""
NOT_CALLED = {
    "get-env": "its result is the environment of the server, which the node makes",
    "gzip-file-as-resource": "it adds a resource to a session, and the node has one for all",
    "toggle-simulated-logging": "it sends log messages, which are not passed on",
    "toggle-subscriber-updates": "it sends updates of single resources, which are not passed on",
    "simulate-research-query": "it runs as a task, which the node does not ask for",
}
"""Tools that are not compared, and why."""
PROMPTS: dict[str, dict[str, str]] = {
    "simple-prompt": {},
    "args-prompt": {"city": "Oslo", "state": "none"},
    "completable-prompt": {"department": "Engineering", "name": "Alice"},
    "resource-prompt": {"resourceType": "Text", "resourceId": "1"},
}


@attrs.define
class Peer:
    """An MCP server on standard input and output, and its client of one request at a time."""

    process: subprocess.Popen[str]
    count: int = 0

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result, or the error, with the progress that came before it."""
        self.count += 1
        self.send(id=self.count, method=method, params=params)
        steps: list[Any] = []
        while (found := self._receive()).get("id") != self.count or "method" in found:
            if found.get("method") == "notifications/progress":
                steps.append(found["params"])
        answer = {key: found[key] for key in ("result", "error") if key in found}
        return {**answer, "progress": steps}

    def send(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def _receive(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def peer(command: list[str]) -> Iterator[Peer]:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL, **pipes) as process:
        try:
            found = Peer(process)
            found.ask("initialize", **ABOUT)
            found.send(method="notifications/initialized")
            yield found
        finally:
            process.kill()


@pytest.fixture(scope="module")
def direct() -> Iterator[Peer]:
    with peer(COMMAND) as found:
        yield found


@pytest.fixture(scope="module")
def meshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Mount the server at one node, and ask for it at another one, over a relay."""
    with running_mesh(tmp_path_factory.mktemp("every"), "") as mesh:
        node = NodeProcess(SHED, mesh.home.folder)
        key = mesh.home.cli("fingerprint", "--key").stdout.partition(" = ")[2].strip()
        node.configure(
            'plugins = ["mesh", "relay", "control", "audit", "grants", "tool-proxy", "mcp"]\n'
            f'[mesh]\npeers = ["{mesh.relay}"]\n[tool-proxy]\nallow = ["every_*"]\n'
            f'[mcp]\nresources = ["every/**"]\n'
            f"[mcp.servers.every]\ncommand = {json.dumps(COMMAND)}\nconfine = false\n"
            f'[grants.home]\nkey = {key}\ntools = ["every_*"]\nresources = ["every/**"]\n'
        )
        command = [sys.executable, "-m", "clawmatrix_core.cli", "mcp", "-c", str(mesh.home.config)]
        with running(node), peer(command) as found:
            mesh.home.wait_for_status(SHED, "relay")
            wait_for(lambda: "every_" in str(found.ask("tools/list")), node.log)
            yield found


def listed(found: Peer, what: str, key: str) -> dict[str, Any]:
    """Return a list by names, those of the mesh as the server has them."""
    entries = found.ask(f"{what}/list")["result"][key]
    by_name = {entry["name"].removeprefix(f"{SHED}__every_"): entry for entry in entries}
    return {name: {**entry, "name": name} for name, entry in by_name.items()}


def test_the_page_names_what_is_not_the_same() -> None:
    page = (HERE.parents[1] / "docs/mcp.md").read_text()
    section = page.partition("\n## What is not the same\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"(?m)^\| `([\w-]+)` \| (.*) \|$", section))
    assert rows == NOT_CALLED


def test_each_tool_is_compared_or_excused(direct: Peer) -> None:
    assert listed(direct, "tools", "tools").keys() == CALLS.keys() | NOT_CALLED.keys()
    assert not CALLS.keys() & NOT_CALLED.keys()
    assert listed(direct, "prompts", "prompts").keys() == PROMPTS.keys()


def test_the_lists_are_the_same(direct: Peer, meshed: Peer) -> None:
    mine = listed(meshed, "tools", "tools")
    assert {name: mine.get(name) for name in listed(direct, "tools", "tools")} == listed(
        direct, "tools", "tools"
    )
    assert listed(meshed, "prompts", "prompts") == listed(direct, "prompts", "prompts")
    for what, key, uri in (
        ("resources", "resources", "uri"),
        ("resources/templates", "resourceTemplates", "uriTemplate"),
    ):
        theirs = direct.ask(f"{what}/list")["result"][key]
        expected = [{**entry, uri: PREFIX + entry[uri]} for entry in theirs]
        assert meshed.ask(f"{what}/list")["result"][key] == expected


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
@pytest.mark.parametrize(
    ("tool", "arguments"), [(tool, one) for tool, many in CALLS.items() for one in many]
)
def test_results_are_the_same(
    direct: Peer, meshed: Peer, tool: str, arguments: dict[str, Any], modern: bool
) -> None:
    meta: dict[str, Any] = {"progressToken": "t"}
    expected = direct.ask("tools/call", name=tool, arguments=arguments, _meta=meta)
    if modern:
        meta |= MODERN
    name = f"{SHED}__every_{tool}"
    found = meshed.ask("tools/call", name=name, arguments=arguments, _meta=meta)
    if modern:  # what this revision adds
        assert found["result"].pop("resultType") == "complete"
        added = found["result"].pop("_meta")
        assert added["io.modelcontextprotocol/serverInfo"]["name"] == "clawmatrix"
        assert len(added) == 1
    assert found == expected


def test_resources_are_the_same(direct: Peer, meshed: Peer) -> None:
    uris = [one["uri"] for one in direct.ask("resources/list")["result"]["resources"]]
    assert len(uris) > 5
    for uri in [*uris, "demo://resource/dynamic/text/7"]:
        expected = direct.ask("resources/read", uri=uri)
        for one in expected["result"]["contents"]:
            one["uri"] = PREFIX + one["uri"]
        assert without_times(meshed.ask("resources/read", uri=PREFIX + uri)) == without_times(
            expected
        )


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out at which second a dynamic resource was made."""
    for one in answer["result"]["contents"]:
        if "/dynamic/" in one["uri"]:
            one["text"] = one["text"].partition(" at ")[0]
    return answer


@pytest.mark.parametrize(("prompt", "arguments"), PROMPTS.items())
def test_prompts_are_the_same(
    direct: Peer, meshed: Peer, prompt: str, arguments: dict[str, str]
) -> None:
    expected = direct.ask("prompts/get", name=prompt, arguments=arguments)
    name = f"{SHED}__every_{prompt}"
    found = meshed.ask("prompts/get", name=name, arguments=arguments)
    assert found == expected
