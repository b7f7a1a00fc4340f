"""The processes of servers: none outlives its node, and what they may do is what was said."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mcp.mounting.nodes import PLAIN, mounting, plain, running, value_of
from tests.plugins.tool_proxy.exec.lab import PYTHON

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]

HOLDER = """
import anyio, sys
from clawmatrix_tool_proxy.exec.lasting import free_job, lasting
async def main():
    async with lasting(free_job(sys.argv[1:], {"PATH": "/usr/bin:/bin"}, "/")) as process:
        print((await process.read()).decode(), flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""
TREE = "setsid sh -c 'echo $$; sleep 1000' & sleep 1000"


async def test_nothing_is_left_of_a_server_when_its_node_is_killed() -> None:
    command = [sys.executable, "-c", HOLDER, "/bin/sh", "-c", TREE]
    async with await anyio.open_process(command, stderr=None) as node:
        assert node.stdout is not None
        pid = int(await node.stdout.receive())
        assert running(pid)
        node.kill()
        await wait_until(lambda: not running(pid))


async def test_a_server_is_confined_unless_it_is_said_otherwise(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    root.mkdir()
    (root / "inner").mkdir()
    outside.write_text("not for servers")
    readable = [str(Path(PLAIN).parent), sys.prefix, sys.base_prefix]
    table = {
        "roots": {"work": str(root)},
        "exec": {"readable": readable},
    }
    server = plain(confine=True, root="work/inner")
    server["command"] = [PYTHON, "-I", PLAIN]
    async with mounting(node_factory, {"plain": server}, table) as nodes:
        await nodes.ready("plain")
        seen = value_of(await nodes.call("plain_environment"))
        assert seen["cwd"] == str(root / "inner")
        assert seen["env"]["HOME"].endswith("/home")
        written = value_of(await nodes.call("plain_write", path="mine"))
        assert written == ""
        assert (root / "inner" / "mine").exists()
        assert "denied" in value_of(await nodes.call("plain_read", path=str(outside)))
    assert not running(seen["pid"])
    assert not os.path.exists(seen["env"]["HOME"])  # noqa: ASYNC240 - it is over


async def test_a_command_that_is_not_there_is_named(node_factory: NodeFactory) -> None:
    servers = {"none": {"command": "no-such-program", "confine": False}, "dir": plain(cwd="/none")}
    async with mounting(node_factory, servers) as nodes:
        await wait_until(lambda: all(server.state.why for server in nodes.mounts.all()))
        none, folder = (server.state.why for server in nodes.mounts.all())
        assert none.startswith('there is no program "no-such-program" in /usr/local/bin')
        assert folder.startswith("it did not start: [Errno 2] No such file")


async def test_nothing_is_left_of_a_server_whose_guard_was_killed(
    node_factory: NodeFactory,
) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        pid = value_of(await nodes.call("plain_fork"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()  # noqa: ASYNC240
        guard = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])  # noqa: ASYNC240
        os.kill(guard, signal.SIGKILL)
        await wait_until(lambda: "its guard was killed" in nodes.server("plain").state.why)
        assert len(children) == 1
        assert not [one for one in (pid, *map(int, children)) if running(one)]
        assert value_of(await nodes.call("plain_echo", value=1)) == 1
