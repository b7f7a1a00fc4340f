"""A node that starts and serves imports nothing that only commands and tests need.

What only some nodes need, or only somebody who asks, it imports then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SERVE = """
import json, sys, urllib.request
import anyio, anyio.to_thread
from clawmatrix_core import Config, Node
from clawmatrix_core.control.address import control_socket_path
from clawmatrix_core.control.protocol import request_line

PLUGINS = [
    *("mesh", "relay", "http", "control", "model-proxy"),
    *("gemini", "audit", "grants", "tool-proxy"),
]


def imported(*rooms):
    wanted = [["clawmatrix_core", room] for room in rooms]
    return [name for name in sorted(sys.modules) if name.split(".")[:2] in wanted]


def page(address, path):
    request = urllib.request.Request(f"http://{address}{path}")
    request.add_header("authorization", "Bearer " + "t" * 20)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=20).read()


async def call(socket, method):
    async with await anyio.connect_unix(socket) as stream:
        await stream.send(request_line(method))
        answer = b""
        while not answer.endswith(b"\\n"):
            answer += await stream.receive()
    return json.loads(answer)["result"]


async def main():
    config = Config.from_mapping(json.loads(sys.argv[1]))
    async with Node(config, plugins=PLUGINS) as node:
        [http] = [one.read() for one in node.status_sections() if one.name == "http"]
        listed = await anyio.to_thread.run_sync(page, http["listen"], "/v1/models")
        quiet = list(sys.modules)
        await call(control_socket_path(config.state_dir), "status")
        told = {
            "states": {info.name: info.state for info in node.plugins.active()},
            "models": [model["id"] for model in json.loads(listed)["data"]],
            "serving": imported("cli", "testing", "doctor"),
            "quiet": quiet,
            "modules": list(sys.modules),
        }
        told["findings"] = await call(control_socket_path(config.state_dir), "doctor")
        told["examined"] = imported("cli", "testing")
        await anyio.to_thread.run_sync(page, http["listen"], "/metrics")
        told["doctor"] = imported("doctor")
        told["asked"] = list(sys.modules)
    print(json.dumps(told))


anyio.run(main)
"""


CONVERT = """
import json, sys, threading
import anyio
from clawmatrix_core import Config, MemoryState, Node
from clawmatrix_model_proxy.api import ModelError, ask_model

BESIDE, ON_LOOP = [], []


class Notes:
    def find_spec(self, name, path=None, target=None):
        here = threading.current_thread() is threading.main_thread()
        (ON_LOOP if here else BESIDE).append(name)


async def main():
    table = {"base_url": "http://127.0.0.1:1/v1", "api": "google-generative-ai", "id": "m"}
    config = Config.from_mapping(
        {"node_id": "a", "secret": "s" * 40, "model-proxy": {"models": [table]}}
    )
    async with Node(config, plugins=["model-proxy", "gemini"], state=MemoryState()) as node:
        before = [name for name in sys.modules if "_proxy.convert" in name]
        sys.meta_path.insert(0, Notes())
        asked = {"messages": [{"role": "user", "content": "hello"}]}
        try:
            await ask_model(node, "m", asked)
        except ModelError:
            pass  # nobody is there
    print(json.dumps({"before": before, "beside": BESIDE, "on_loop": ON_LOOP}))


anyio.run(main)
"""


HEAVY = ("cattrs", "cryptography", "httptools", "starlette", "uvicorn", "websockets")
"""What a command that only asks the running node does without."""
WHEN_ASKED = (
    "clawmatrix_http.checks",
    "clawmatrix_http.metrics",
    "clawmatrix_mesh.checks.certificate",
    "clawmatrix_mesh.checks.live",
    "clawmatrix_model_proxy.checks",
    "clawmatrix_relay.checks",
    "cryptography.x509",
    "prometheus_client",
)
"""What a node does without until it is asked for its health or its metrics."""
UNUSUAL = ("anyio.from_thread", "clawmatrix_core.config.docs", "difflib", "platformdirs")
"""What a node does without whose configuration has no mistake and names folders and numbers."""
FOR_MODELS = (
    "clawmatrix_gemini.codec",
    "clawmatrix_model_proxy.neutral.failures",
    "clawmatrix_model_proxy.serving.api_check",
    "clawmatrix_model_proxy.serving.server",
)
"""What a node does without that serves no models."""
FOR_CONVERSIONS = (
    "clawmatrix_gemini.",
    "clawmatrix_model_proxy.convert",
    "clawmatrix_model_proxy.neutral.",
    "clawmatrix_model_proxy.serving.as_whole",
    "clawmatrix_model_proxy.serving.conversions",
    "clawmatrix_model_proxy.serving.guarded",
    "clawmatrix_model_proxy.serving.other_form",
)
"""How the modules begin that only conversions need, but for these few."""
LIGHT = {
    *(f"clawmatrix_gemini.{name}" for name in ("codec", "names", "plugin")),
    *(
        f"clawmatrix_model_proxy.neutral.{name}"
        for name in ("bodies", "depth", "failures", "sealed")
    ),
}
FOR_GRANTS = (
    "clawmatrix_grants.api",
    "clawmatrix_grants.approvals.keeper",
    "clawmatrix_grants.conditions",
    "clawmatrix_grants.config",
    "clawmatrix_grants.expectations",
    "clawmatrix_grants.methods",
    "clawmatrix_grants.policy",
    "clawmatrix_grants.service",
)
"""What a node does without that has no grants, no approvals and no tools."""
FOR_TOOLS = (
    "clawmatrix_tool_proxy.api",
    "clawmatrix_tool_proxy.asking.calling",
    "clawmatrix_tool_proxy.catalog.entries",
    "clawmatrix_tool_proxy.checking.checker",
    "clawmatrix_tool_proxy.config",
    "clawmatrix_tool_proxy.methods",
    "clawmatrix_tool_proxy.own_tools",
    "clawmatrix_tool_proxy.service",
    "clawmatrix_tool_proxy.serving.answering",
    "clawmatrix_tool_proxy.tool",
    "clawmatrix_tool_proxy.wire",
)
"""What a node does without that has no tools, and that nobody asks for any."""
FOR_THE_CURIOUS = (
    "clawmatrix_audit.asking",
    "clawmatrix_audit.checks",
    "clawmatrix_audit.methods",
)
"""What a node does without until somebody asks for its audit."""
FOR_COMMANDS = (
    "clawmatrix_control.ping",
    "clawmatrix_core.cli.control_client",
    "clawmatrix_mesh.invite.methods",
    "clawmatrix_mesh.invite.token",
    "clawmatrix_mesh.members.revocation_methods",
    "clawmatrix_mesh.members.revoke_methods",
    "clawmatrix_mesh.members.trust_methods",
    "clawmatrix_mesh.status",
)
"""What a node does without until somebody asks for its status or manages its members."""
FOR_SOME_REQUESTS = (
    "clawmatrix_http.inflating",
    "clawmatrix_mcp.config",
    "clawmatrix_model_proxy.asking.recollection",
)
"""What a node does without as long as requests and its configuration are as most are."""
FOR_PROXIES = ("clawmatrix_mesh.websocket.asyncio_proxied", "python_socks")
"""What a node does without that dials through no proxy."""
MODEL = {"id": "m", "base_url": "http://127.0.0.1:1/v1"}


def serve(tmp_path: Path, *models: dict[str, str], **more: dict[str, Any]) -> dict[str, Any]:
    """Run a node in a process of its own, ask it, and return what it imported."""
    config = {
        "node_id": "a",
        "secret": "s" * 40,
        "state_dir": str(tmp_path / "state"),
        "http": {"listen": "127.0.0.1:0", "token": "t" * 20},
        "mesh": {"listen": "127.0.0.1:0", "peers": ["ws://127.0.0.1:1"]},
        "model-proxy": {"models": models},
        **more,
    }
    command = [sys.executable, "-c", SERVE, json.dumps(config)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_a_node_that_serves_imports_no_command_no_test_and_no_doctor(tmp_path: Path) -> None:
    told = serve(tmp_path, MODEL)
    assert set(told["states"].values()) == {"active"}
    assert {"audit", "grants", "mesh", "tool-proxy"} < told["states"].keys()
    assert told["models"] == ["m", "a/m"]
    assert told["serving"] == []
    assert {finding["name"] for finding in told["findings"]} >= {"plugins", "mesh.listen"}
    assert told["examined"] == []
    assert "clawmatrix_core.doctor.own_checks" in told["doctor"]
    assert [name for name in WHEN_ASKED if name in told["modules"]] == []
    assert [name for name in WHEN_ASKED if name not in told["asked"]] == []
    assert [name for name in UNUSUAL if name in told["modules"]] == []
    assert [name for name in FOR_MODELS if name not in told["modules"]] == []


def test_a_node_that_serves_no_models_imports_no_conversion(tmp_path: Path) -> None:
    told = serve(tmp_path)
    assert told["models"] == []
    assert [name for name in FOR_MODELS if name in told["modules"]] == []


def test_a_node_whose_models_only_pass_through_imports_no_conversion(tmp_path: Path) -> None:
    loaded = serve(tmp_path, MODEL, {**MODEL, "id": "o", "api": "anthropic-messages"})["modules"]
    assert "clawmatrix_model_proxy.serving.server" in loaded
    assert [name for name in loaded if name.startswith(FOR_CONVERSIONS) and name not in LIGHT] == []


def test_conversions_are_imported_beside_the_loop() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CONVERT], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["before"] == []
    assert "clawmatrix_model_proxy.convert.bridge" in told["beside"]
    assert "clawmatrix_gemini.request_writer" in told["beside"]
    assert [name for name in told["on_loop"] if name.startswith(FOR_CONVERSIONS)] == []


def test_a_node_that_nobody_asks_imports_nothing_for_commands(tmp_path: Path) -> None:
    told = serve(tmp_path)
    assert sorted({*FOR_COMMANDS, *FOR_SOME_REQUESTS}.intersection(told["quiet"])) == []


def test_a_plain_node_imports_nothing_of_grants_and_tools(tmp_path: Path) -> None:
    told = serve(tmp_path)
    wanted = {*FOR_GRANTS, *FOR_TOOLS, *FOR_THE_CURIOUS, *FOR_PROXIES}
    assert sorted(wanted.intersection(told["modules"])) == []
    assert {"clawmatrix_grants.plugin", "clawmatrix_tool_proxy.plugin"} < {*told["modules"]}


def test_a_node_with_grants_and_tools_imports_what_serves_them(tmp_path: Path) -> None:
    told = serve(tmp_path, **{"grants": {}, "tool-proxy": {}})
    later = {"clawmatrix_tool_proxy.methods", "clawmatrix_tool_proxy.own_tools"}
    assert sorted({*FOR_GRANTS, *FOR_TOOLS} - later - {*told["modules"]}) == []


def test_commands_that_ask_the_running_node_import_light_things() -> None:
    code = "import json, sys, clawmatrix_control.commands; print(json.dumps(list(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(ran.stdout)
    assert "clawmatrix_core.cli.control_client" in loaded
    assert [name for name in HEAVY if name in loaded] == []
