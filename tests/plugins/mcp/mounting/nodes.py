"""Nodes with mounted servers, and what is asked of them in tests."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.told import ToldConfig
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.api import Progress, ToolFailed, call_tool
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import EngineShop, Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from clawmatrix_core import JSON, Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_mcp.mounting.mounted import Mounted
    from clawmatrix_mcp.mounting.mounts import Mounts

__all__ = [
    "PLAIN",
    "SDK",
    "Mounting",
    "mounting",
    "plain",
    "running",
    "served",
    "value_of",
]

PLAIN: Final = str(Path(__file__).with_name("plain_server.py"))
SDK: Final = str(Path(__file__).with_name("sdk_server.py"))


def plain(*modes: str, **more: object) -> dict[str, object]:
    """Return the table of a server in the standard library."""
    return {"command": [sys.executable, "-I", PLAIN], "args": [*modes], "confine": False, **more}


def value_of(result: JSON) -> JSON:
    """Return what the text of a result says."""
    return json.loads(result["content"][0]["text"])


@attrs.frozen
class Mounting:
    """A node with servers, ``office``, and one that calls their tools, ``home``."""

    home: Node
    office: Node
    plugin: McpPlugin
    notes: Notebook

    @property
    def mounts(self) -> Mounts:
        """The servers."""
        mounts = self.plugin.mounting.mounts
        assert mounts is not None
        return mounts

    def server(self, name: str) -> Mounted:
        """Return a server."""
        found = self.mounts.get(name)
        assert found is not None
        return found

    async def ready(self, *names: str) -> None:
        """Wait for servers."""
        await wait_until(lambda: all(self.server(one).state.word == "ready" for one in names))

    async def reload(self, servers: Mapping[str, Mapping[str, object]]) -> None:
        """Have other servers in the configuration from now on."""
        config = self.office.config
        assert isinstance(config, ToldConfig)
        told = dict(config.told) | {"mcp": {"servers": dict(servers)}}
        await self.office.reload(ToldConfig.from_mapping(told))

    async def call(self, tool: str, /, **arguments: JSON) -> JSON:
        """Call a tool from ``home``, and return its result. Raises: ToolFailed."""
        async with call_tool(self.home, "office", tool, arguments) as call:
            return (await call.result()).value

    async def code_of(self, tool: str, /, **arguments: JSON) -> str:
        """Return the code of the error that a call ends with."""
        try:
            return f"no error: {await self.call(tool, **arguments)}"
        except ToolFailed as error:
            return error.code

    async def progress_of(self, tool: str, /, **arguments: JSON) -> list[Progress]:
        """Return the progress of a call."""
        async with call_tool(self.home, "office", tool, arguments) as call:
            parts = [part async for part in call]
        return [part for part in parts if isinstance(part, Progress)]


@asynccontextmanager
async def mounting(
    factory: NodeFactory,
    servers: Mapping[str, Mapping[str, object]],
    table: Mapping[str, object] | None = None,
    **more: Any,
) -> AsyncIterator[Mounting]:
    """Run two nodes, of which one has mounted servers; ``table`` is what ``[tool-proxy]`` has."""
    plugin, notes = McpPlugin(), Notebook()
    config = {
        "tool-proxy": {"allow": ["*"], **(table or {})},
        "mcp": {"servers": {name: dict(one) for name, one in servers.items()}},
    }
    office = factory(
        "office",
        plugins=[ToolProxyPlugin(), plugin, EngineShop("*"), notes],
        config=config,
        **more,
    )
    home = factory("home", dials=["office"], plugins=[ToolProxyPlugin(), Notebook()], **more)
    async with office, home:
        await wait_until(lambda: home.reachable("office") and office.reachable("home"))
        yield Mounting(home, office, plugin, notes)


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """Run a server of the official SDK over HTTP, and return its address."""
    command = [sys.executable, SDK, "http", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        finally:
            process.kill()


def running(pid: int) -> bool:
    """Say whether a process runs; one that only nobody has waited for does not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] not in "ZX"
