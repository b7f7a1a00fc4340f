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

from clawmatrix_core import ExchangeFailure, PeerLost
from clawmatrix_core.cli import Progress
from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy import showing
from clawmatrix_tool_proxy.api import ToolCall, ToolError, ToolFailed, tool
from clawmatrix_tool_proxy.commands import entry_lines
from clawmatrix_tool_proxy.ending import CODES, exit_of_error, exit_of_result
from clawmatrix_tool_proxy.showing import ShownCall
from clawmatrix_tool_proxy.wire import Outcome
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
    mesh = mesh_of(factory, tool(ended), tool(both), tool(begun), built_in=BUILT_IN, **more)
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


async def test_an_empty_list_says_so(node_factory: NodeFactory) -> None:
    async with running(node_factory, allowed=()) as mesh:
        result = await ran(mesh, "tools", "list", "--node", "office", "--anyone")
        told = (result.exit_code, result.out, result.err)
        assert told == (0, "", "office lets this node call no tool\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "output"),
    [
        (["echo", "--arg", "value=1"], "", "1\n"),
        (["echo", "--arg", "value=null"], "", ""),
        (["echo", "--arg", "value=a=b"], "", "a=b\n"),
        (["echo", "--arg", 'value={"a": [1]}'], "", '{\n  "a": [\n    1\n  ]\n}\n'),
        (["echo", "--args-file", "-"], '{"value": "from a file"}', "from a file\n"),
        (["echo", "--args-file", "-", "--arg", "value=x"], '{"value": 1, "n": 3}', "x\n"),
        (["stream", "--arg", "parts=2"], "", "00000001"),
        (["shout", "--arg", "text=hey"], "", "home\n"),
    ],
)
async def test_results_and_output_go_to_standard_output(
    node_factory: NodeFactory, arguments: list[str], stdin: str, output: str
) -> None:
    async with running(node_factory) as mesh:
        result = await ran(mesh, "call", "--anyone", "office", *arguments, stdin=stdin)
        assert (result.exit_code, result.out) == (0, output)


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (["stream", "--arg", "parts=2"], '{\n  "parts": 2\n}\n'),
        (["shout", "--arg", "text=hey"], "HEY\n"),
        (["echo", "--arg", "value=1"], ""),
    ],
)
async def test_the_result_goes_to_standard_error_where_there_was_output(
    node_factory: NodeFactory, arguments: list[str], errors: str
) -> None:
    async with running(node_factory) as mesh:
        result = await ran(mesh, "call", "--anyone", "office", *arguments)
        assert (result.exit_code, result.err) == (0, errors)


async def both(call: ToolCall) -> int:
    """Write bytes that are no text, and an error."""
    await call.write(b"\xff\x00")
    await call.write(b"oh", stderr=True)
    return 7


async def test_json_has_the_result_and_the_output(node_factory: NodeFactory) -> None:
    async with running(node_factory) as mesh:
        result = await ran(
            mesh, "call", "--anyone", "--json", "office", "stream", "--arg", "parts=2"
        )
        assert json.loads(result.out) == {
            "result": {"parts": 2},
            "cut": {},
            "output": "00000001",
            "errorOutput": "",
        }
        told = json.loads((await ran(mesh, "call", "--anyone", "--json", "office", "both")).out)
        assert told["output"] == {"base64": "/wA="}
        assert (told["errorOutput"], told["result"]) == ("oh", 7)


async def begun(call: ToolCall) -> None:
    """Write something, and fail."""
    await call.write(b"so far")
    raise ToolError("no more", "gave_up")


async def test_json_has_the_output_of_a_call_that_fails(node_factory: NodeFactory) -> None:
    async with running(node_factory) as mesh:
        result = await ran(mesh, "call", "--anyone", "--json", "office", "begun")
        assert json.loads(result.out) == {
            "error": {"code": "gave_up", "message": "no more"},
            "cut": {},
            "output": "so far",
            "errorOutput": "",
        }
        assert result.exit_code != 0
        assert "gave_up: no more" in result.err


@pytest.mark.bound("clawmatrix_tool_proxy.showing.OUTPUT")
def test_json_keeps_so_much_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(showing, "OUTPUT", 10)
    shown = ShownCall(Progress(), as_json=True)
    for part in ({"text": "12345678"}, {"text": "abcd", "stderr": True}, {"text": "9"}):
        shown.take(part)
    shown.take({"result": None, "cut": {"output": 1}})
    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["errorOutput"]) == ("12345678", "ab")
    assert told["cut"] == {"output": 4}


def test_without_a_terminal_one_line_says_that_a_call_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = ShownCall(Progress(), as_json=False)
    for item in (
        {"progress": "1 of 2"},
        *[{"progress": "waits for an approval", "waits": True}] * 2,
    ):
        shown.take(item)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "clawmatrix: waits for an approval\n")


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [
        (ToolFailed.of_outcome(Outcome(success=False, began=True, code="revoked")), False),
        (ToolFailed.of_exchange(PeerLost("gone")), True),
        (ToolFailed.of_exchange(ExchangeFailure("busy", "busy")), False),
    ],
)
def test_what_ran_is_in_doubt_where_nothing_told(error: ToolFailed, in_doubt: bool) -> None:
    assert error.in_doubt == in_doubt


@pytest.mark.faults_expected
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nope"], 21, "not_allowed: not allowed on this node"),
        (["echo", "--arg", "n=x"], 23, "bad_arguments: n: expected `int`, got `str`"),
        (["fail"], 7, "not_found: there is no such thing\n"),
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
