"""``clawmatrix mcp`` as an agent starts it: a process before a node in another process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.integration.conftest import NodeProcess, free_port, wait_for
from tests.plugins.mcp.stdio.pumping import MODERN

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[3] / "sdk" / "oracle_node.py"
TOOLS = ["oracle", "count", "wait"]
pytestmark = pytest.mark.timeout(120)


@attrs.define
class Home:
    """A node with the tools itself, which is started and stopped."""

    node: NodeProcess
    process: subprocess.Popen[bytes] | None = None

    @property
    def notes(self) -> Path:
        return self.node.folder / "notes"

    def noted(self, words: str) -> int:
        return self.notes.read_text().splitlines().count(words)

    def start(self) -> None:
        self.notes.touch()
        command = (sys.executable, str(PROGRAM), str(self.node.config), str(self.notes))
        with (self.node.folder / "home.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.node.folder
            )
        wait_for(lambda: self.node.ask("http.env"), "the node is up")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


@attrs.frozen
class Agent:
    """Has started ``clawmatrix mcp``."""

    process: subprocess.Popen[str]

    def ask(self, method: str, id_: object = 1, **params: Any) -> Any:
        self.send(method, id_, **params)
        return self.receive()

    def send(self, method: str, id_: object = 1, **params: Any) -> None:
        assert self.process.stdin is not None
        message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def initialize(self) -> None:
        """Open a session, as clients before 2026-07-28 do."""
        about = {"protocolVersion": "2025-11-25", "capabilities": {}}
        self.ask("initialize", **about, clientInfo={"name": "test", "version": "1"})
        assert self.process.stdin is not None
        self.process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def wait_in_a_tool(self, home: Home, meta: dict[str, Any]) -> None:
        """Have a call under way that does not end by itself."""
        before = home.noted("wait begun")
        self.send("tools/call", "w", name="home__wait", _meta=meta)
        wait_for(lambda: home.noted("wait begun") > before, "the call has begun")


def home_in(folder: Path) -> Home:
    node = NodeProcess("home", folder)
    node.configure(
        'plugins = ["http", "control", "audit", "grants", "tool-proxy", "mcp"]\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\n[tool-proxy]\nallow = ["*"]\n'
        f'[grants."@local"]\ntools = {json.dumps(TOOLS)}\n'
    )
    return Home(node)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Run the node."""
    home = home_in(tmp_path_factory.mktemp("mcp"))
    home.start()
    yield home
    home.stop()


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Home]:
    """Give a node that does not run yet."""
    home = home_in(tmp_path)
    yield home
    home.stop()


@contextmanager
def agent(home: Home) -> Iterator[Agent]:
    command = (sys.executable, "-m", "clawmatrix_core.cli", "mcp", "-c", str(home.node.config))
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.node.folder,
    ) as process:
        try:
            yield Agent(process)
        finally:
            process.kill()


def test_a_node_that_does_not_run_is_named_and_found_once_it_does(resting: Home) -> None:
    with agent(resting) as asking:
        refused = asking.ask("tools/list", _meta=MODERN)
        assert refused["error"]["data"] == {"error": "node_not_running", "mayHaveRun": False}
        assert (
            "node home is not running (start it with `clawmatrix run`)"
            in refused["error"]["message"]
        )
        resting.start()
        names = [tool["name"] for tool in asking.ask("tools/list", _meta=MODERN)["result"]["tools"]]
        assert {f"home__{name}" for name in TOOLS} <= set(names)
        answer = asking.ask("tools/call", name="home__oracle", _meta=MODERN)
        assert answer["result"]["content"][0]["text"] == "the secret word is ibis"
        assert asking.process.stdin is not None
        asking.process.stdin.close()
        assert asking.process.wait(20) == 0
        assert asking.process.stdout is not None
        assert asking.process.stderr is not None
        assert asking.process.stdout.read() == ""
        assert asking.process.stderr.read().splitlines() == [
            "clawmatrix: mcp: node home is not running (start it with `clawmatrix run`)",
            "clawmatrix: mcp: the node is there again",
        ]


def test_what_is_under_way_ends_with_the_agent(home: Home) -> None:
    with agent(home) as asking:
        before = home.noted("wait ended")
        asking.wait_in_a_tool(home, MODERN)
        assert asking.process.stdin is not None
        asking.process.stdin.close()
        assert asking.process.wait(20) == 0
        wait_for(lambda: home.noted("wait ended") > before, "the call is cancelled")


def test_a_session_that_was_killed_stops_its_calls_within_ten_seconds(home: Home) -> None:
    with agent(home) as asking:
        before = home.noted("wait ended")
        asking.initialize()
        asking.wait_in_a_tool(home, {})
        asking.process.kill()
        wait_for(lambda: home.noted("wait ended") > before, "the call is cancelled", 10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_is_under_way_ends_with_the_program(home: Home, how: signal.Signals) -> None:
    with agent(home) as asking:
        before = home.noted("wait ended")
        asking.wait_in_a_tool(home, MODERN)
        asking.process.send_signal(how)
        assert asking.process.wait(20) == (-how if how == signal.SIGKILL else 0)
        wait_for(lambda: home.noted("wait ended") > before, "the call is cancelled", 12)


def test_a_session_goes_on_when_the_node_was_killed(home: Home) -> None:
    with agent(home) as asking:
        asking.initialize()
        asking.wait_in_a_tool(home, {})
        home.stop()
        lost = asking.receive()
        assert (lost["id"], lost["error"]["data"]["error"]) == ("w", "node_lost")
        home.start()
        asking.send("tools/call", 2, name="home__oracle")
        answer = asking.receive()
        while "id" not in answer:
            assert answer["method"].endswith("/list_changed")
            answer = asking.receive()
        assert answer["result"]["content"][0]["text"] == "the secret word is ibis"


def test_it_imports_neither_the_sdk_nor_what_serves(home: Home) -> None:
    program = (
        "import atexit, sys; from clawmatrix_core.cli import execute;"
        " execute(sys.argv[1:]); print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = (sys.executable, "-c", program, "mcp", "-c", str(home.node.config))
    done = subprocess.run(
        command, input="nothing\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["error"]["code"] == -32700
    loaded = set(done.stderr.splitlines())
    assert "clawmatrix_mcp.stdio.pump" in loaded
    assert not loaded & {"mcp", "mcp_types", "pydantic", "starlette", "uvicorn", "jsonschema"}
