"""``clawmatrix tools`` and ``clawmatrix call``, as people type them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import tool
from clawmatrix_tool_proxy.commands import entry_lines
from clawmatrix_tool_proxy.ending import CODES, exit_of_error, exit_of_result
from tests.plugins.tool_proxy.nodes import mesh_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core.testing.command_line import CommandResult
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.tool_proxy.nodes import Mesh

pytestmark = pytest.mark.anyio

BUILT_IN = ("mesh", "relay", "control")


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


async def ended(status: int = 0) -> dict[str, object]:
    """End like a command."""
    return {"exitStatus": status, "text": "done"}


@asynccontextmanager
async def running(factory: NodeFactory, **more: Any) -> AsyncIterator[Mesh]:
    mesh = mesh_of(factory, tool(ended), built_in=BUILT_IN, **more)
    async with mesh.relay, mesh.office, mesh.home:
        await wait_until(lambda: mesh.home.reachable("office"))
        yield mesh


async def ran(mesh: Mesh, *arguments: str, stdin: str = "") -> CommandResult:
    return await run_command(mesh.home, *arguments, stdin=stdin)


async def test_a_name_that_is_not_proven_is_called_only_with_anyone(
    node_factory: NodeFactory,
) -> None:
    async with running(node_factory) as mesh:
        for peer, words in (("office", "hearsay only"), ("relay", "first come, first kept only")):
            for command in (("tools", "list", "--node", peer), ("call", peer, "echo")):
                result = await ran(mesh, *command)
                assert result.exit_code == 29
                assert words in result.err
                assert "add --anyone" in result.err
        assert mesh.served.records == []
        result = await ran(mesh, "call", "office", "echo", "--anyone", "--arg", "value=hey")
        assert (result.exit_code, result.out) == (0, "hey\n")
        assert (await ran(mesh, "tools", "list", "--node", "nobody")).exit_code == 6
        mesh.home.trust.accept(mesh.office.id, shown_of(mesh))
        result = await ran(mesh, "call", "office", "echo", "--arg", "value=hey")
        assert (result.exit_code, result.out) == (0, "hey\n")


def shown_of(mesh: Mesh) -> str:
    return mesh.office.identity.fingerprint


async def test_tools_are_listed_for_people_and_as_json(node_factory: NodeFactory) -> None:
    async with running(node_factory, allowed=("echo", "shout")) as mesh:
        result = await ran(mesh, "tools", "list", "--node", "office", "--anyone")
        assert result.out.splitlines() == [
            "echo [value] [n]",
            "    Return what it gets.",
            "shout text [kind]",
            "    Return a text in capitals, from a thread.",
        ]
        result = await ran(mesh, "tools", "list", "--json")
        told = json.loads(result.out)
        assert (told["nodeId"], [one["name"] for one in told["tools"]]) == (
            "home",
            ["cluster_peers"],
        )


@pytest.mark.parametrize(
    ("arguments", "stdin", "output"),
    [
        (["echo", "--arg", "value=1"], "", "1\n"),
        (["echo", "--arg", "value=null"], "", ""),
        (["echo", "--arg", "value=a=b"], "", "a=b\n"),
        (["echo", "--arg", 'value={"a": [1]}'], "", '{\n  "a": [\n    1\n  ]\n}\n'),
        (["echo", "--args-file", "-"], '{"value": "from a file"}', "from a file\n"),
        (["echo", "--args-file", "-", "--arg", "value=x"], '{"value": 1, "n": 3}', "x\n"),
        (["stream", "--arg", "parts=2"], "", '00000001{\n  "parts": 2\n}\n'),
        (["shout", "--arg", "text=hey"], "", "home\nHEY\n"),
    ],
)
async def test_results_and_output_go_to_standard_output(
    node_factory: NodeFactory, arguments: list[str], stdin: str, output: str
) -> None:
    async with running(node_factory) as mesh:
        result = await ran(mesh, "call", "--anyone", "office", *arguments, stdin=stdin)
        assert (result.exit_code, result.out) == (0, output)


@pytest.mark.faults_expected
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nope"], 21, "not_allowed: not allowed on this node"),
        (["echo", "--arg", "n=x"], 23, "bad_arguments: Expected `int`"),
        (["fail"], 7, "not_found: there is no such thing (the tool may have run)"),
        (["crash"], 20, "internal: crash failed"),
        (["short"], 25, "deadline: short took over 0.1 s"),
        (["wait", "--timeout", "0.05"], 25, "deadline: wait took over 0.05 s"),
        (["ended", "--arg", "status=4"], 4, ""),
        (["echo", "--arg", "novalue"], 2, "'novalue' is not NAME=VALUE"),
        (["echo", "--args-file", "-"], 2, "no JSON"),
    ],
)
async def test_errors_have_their_exit_codes(
    node_factory: NodeFactory, arguments: list[str], code: int, words: str
) -> None:
    async with running(node_factory) as mesh:
        result = await ran(mesh, "call", "--anyone", "office", *arguments, stdin="{")
        assert result.exit_code == code
        assert words in result.err


async def test_what_was_cut_is_said_on_standard_error(node_factory: NodeFactory) -> None:
    async with running(node_factory, table={"max_output": "1 kB"}) as mesh:
        result = await ran(
            mesh, "call", "--anyone", "office", "big", "--arg", "size=1500", "--json"
        )
        told = json.loads(result.out)
        assert (len(told["result"]), told["cut"]) == (1000, {"result": 500})
        result = await ran(mesh, "call", "--anyone", "office", "big", "--arg", "size=1500")
        assert result.out == "x" * 1000 + "\n"
        assert "500 bytes of the result were cut off" in result.err


async def test_ctrl_c_cancels_the_call_there(node_factory: NodeFactory, tmp_path: Path) -> None:
    async with running(node_factory) as mesh:
        told = await run_command(mesh.home, "status")  # writes the configuration
        assert told.exit_code == 0
        file = tmp_path / "home.toml"
        file.write_text(
            f'node_id = "home"\nsecret = "{"x" * 40}"\nstate_dir = "{mesh.home.config.state_dir}"\n'
        )
        command = [
            sys.executable,
            "-c",
            _RUN,
            "call",
            "-c",
            str(file),
            "--anyone",
            "office",
            "wait",
        ]
        process = await anyio.to_thread.run_sync(started, command)
        try:
            await wait_until(lambda: mesh.shop.began or process.poll() is not None, limit=30)
            process.send_signal(signal.SIGINT)
            output, errors = await anyio.to_thread.run_sync(process.communicate)
        finally:
            process.kill()
        assert (process.returncode, output) == (130, b""), errors
        await wait_until(lambda: mesh.shop.stopped == 1, limit=1)


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


_RUN = """
from clawmatrix_core.cli import main
from clawmatrix_core.cli.context import hosted_plugins
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin

with hosted_plugins({"tool-proxy": ToolProxyPlugin()}):
    main()
"""


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"properties": 5}, "a"),
        ({"properties": {"x": {}}, "required": 5}, "a [x]"),
        ({"properties": {"x": {}}, "required": [[], {}, "x"]}, "a x"),
        ({"properties": [{}, 5], "required": "x"}, "a"),
        ({"properties": None, "required": None}, "a"),
    ],
)
def test_what_another_node_says_of_arguments_may_be_anything(
    parameters: dict[str, object], told: str
) -> None:
    assert list(entry_lines({"name": "a", "parameters": parameters})) == [told]


def test_exit_codes_of_errors_and_results() -> None:
    assert len(set(CODES.values())) > 10
    assert exit_of_error("not_found", {"exitStatus": 7}) == 7
    assert exit_of_error("not_found", {"exitStatus": 700}) == 20
    assert exit_of_error("busy", {"exitStatus": 7}) == 22
    for result in (None, "3", {"exitStatus": "3"}, {"exitStatus": True}, {"exitStatus": 256}):
        assert exit_of_result(result) == 0
    assert exit_of_result({"exitStatus": 3}) == 3
