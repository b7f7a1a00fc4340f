"""A caller that may run commands cannot give itself more by them: end to end, on real nodes."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clawmatrix_core
import clawmatrix_tool_proxy
from clawmatrix_audit.plugin import AuditPlugin
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_tool_proxy.api import ErrorOutput, call_tool
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.tool_proxy.together import HOME, TRUE, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

PLACES = [str(Path(package.__file__ or "").parents[1]) for package in (
    clawmatrix_core, clawmatrix_tool_proxy
)]  # fmt: skip
CONFIG = f"""
node_id = "office"
secret = "{SECRET}"
state_dir = "../state"
plugins = ["mesh", "control", "grants", "audit", "tool-proxy"]
[mesh]
listen = "127.0.0.1:0"
[approvals]
wait = "0s"
[tool-proxy]
allow = ["exec", "read", "write"]
[tool-proxy.roots]
code = {{path = "..", write = true}}
[tool-proxy.exec]
readable = {[sys.prefix, sys.base_prefix, *PLACES]}
[grants.home]
key = "{TRUE.key_text}"
tools = ["exec"]
[[grants.home.rules]]
ask = ["read"]
"""
ATTACK = """
import os, runpy, socket, sys
sys.path[:0] = {places}
def tell(*words):
    print(*words, flush=True)
for line in open("/proc/net/unix"):
    path = line.split()[-1]
    if "clawmatrix" in path:
        try:
            socket.socket(socket.AF_UNIX).connect(path)
            tell("reached", path)
        except OSError as error:
            tell("not reached", error.errno)
def tried(*arguments):
    if os.fork() == 0:
        sys.argv = ["clawmatrix", *arguments, "-c", "etc/clawmatrix.toml"]
        runpy.run_module("clawmatrix_core.cli", run_name="__main__")
    tell(arguments[1], os.waitstatus_to_exitcode(os.wait()[1]))
tried("approvals", "allow", {id!r}, "-y")
tried("grants", "add", "home", "--tools", "read", "--key", {key!r})
for path in ("etc/clawmatrix.toml", "state/approvals.json", "state/new", "etc/new"):
    try:
        with open(path, "a") as file:
            file.write('[[grants.home.rules]]\\\\nallow = ["read"]\\\\n')
        tell("wrote", path)
    except OSError as error:
        tell("refused", path)
for way in (("etc", "old"), ("etc/new", "etc/clawmatrix.toml"), ("state", "old")):
    try:
        os.rename(*way)
        tell("moved", way)
    except OSError:
        tell("stayed", way[0])
"""


@asynccontextmanager
async def running(root: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Run office, whose configuration and state are in the root of its commands, and home."""
    file = root / "etc" / "clawmatrix.toml"
    file.parent.mkdir()
    file.write_text(CONFIG)
    file.chmod(0o600)
    async with Node(Config.load(file)) as office:
        plugins, peers = (ToolProxyPlugin(), AuditPlugin()), [address_of(office)]
        tables = {"state_dir": str(root.with_name("home"))}
        home = make_node("home", plugins=plugins, identity=TRUE, peers=peers, tables=tables)
        async with home:
            await wait_until(lambda: home.reachable("office") and office.reachable(HOME))
            yield office, home


async def test_a_command_neither_approves_nor_grants_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    root = tmp_path / "code"
    root.mkdir()
    async with running(root) as (office, home):
        assert await code_of(home, "read", path="code/etc/new") == "approval_pending"
        [waiting] = (await call_control(office, "approvals.list"))["approvals"]
        program = ATTACK.format(places=PLACES, id=waiting["id"], key=TRUE.key_text)
        told = await ran(home, [sys.executable, "-I", "-c", program])
        lines = told.splitlines()
        assert "wrote etc/new" in lines, told  # what is not the node's it writes
        assert not [line for line in lines if line.startswith(("reached", "moved"))], told
        assert [line for line in lines if line.startswith("not reached")], told
        assert [line for line in lines if line.startswith("wrote")] == ["wrote etc/new"]
        assert {"allow 2", "add 2"} <= set(lines), told  # the configuration is empty to them
        [still] = (await call_control(office, "approvals.list"))["approvals"]
        assert (still["id"], still["state"]) == (waiting["id"], "pending")
        assert (root / "etc" / "clawmatrix.toml").read_text() == CONFIG
        assert await code_of(home, "write", path="code/x", text="") == "not_allowed"


async def ran(home: Node, argv: list[str]) -> str:
    """Have office run a program; return what it wrote."""
    written = b""
    async with call_tool(home, "office", "exec", {"argv": argv}, deadline=60.0) as call:
        async for part in call:
            if isinstance(part, bytes) and not isinstance(part, ErrorOutput):
                written += part
        await call.result()
    return written.decode()
