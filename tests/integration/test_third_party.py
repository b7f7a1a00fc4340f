"""A distribution of a third party: built, installed, found, used, disabled, and broken.

It is a real wheel in a real virtual environment, which sees the packages of the tests' own
one; nothing is fetched from anywhere.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from tests.integration.conftest import SECRET, NodeProcess, free_port, wait_for
from tests.integration.wheels import install_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOURCE = Path(__file__).parent / "third_party"
BUILT_IN = ("mesh", "relay", "http", "control")
BROKEN = ("no-import", "no-fit", "no-start", "bad-frame", "hangs", "blocks")
HANG_LIMIT = 10.0
"""Seconds an event hook may take (docs/hooks.md)."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has the third party's wheel."""
    return install_wheels(tmp_path_factory.mktemp("third-party"), SOURCE)


@attrs.frozen
class Office:
    """A node in the environment with the third party's plugins."""

    node: NodeProcess
    mesh_port: int
    home: MemoryState = attrs.field(factory=MemoryState)

    def plugins(self) -> dict[str, Any]:
        """Return what ``plugins list --json`` prints, by name."""
        done = self.node.cli("plugins", "list", "--json")
        assert done.returncode == 0, done.stderr
        return {entry["name"]: entry for entry in json.loads(done.stdout)["plugins"]}

    def start(self) -> None:
        self.node.start()
        wait_for(lambda: self.node.ask("status", probe=False), f"it is up\n{self.node.log}")

    def ring_by_http(self) -> Any:
        env = self.node.ask("http.env")
        request = urllib.request.Request(
            env["baseUrl"].removesuffix("/v1") + "/bells",
            method="POST",
            headers={"Authorization": f"Bearer {env['token']}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    async def ask(self, *questions: str) -> list[Any]:
        """Ask as another node of the mesh, one exchange after the other."""
        home = Config.from_mapping(
            {
                "node_id": "home",
                "secret": SECRET,
                "mesh": {"peers": [f"ws://127.0.0.1:{self.mesh_port}"]},
            }
        )
        async with Node(home, plugins=["mesh"], state=self.home) as node:
            await wait_until(lambda: "office" in node.links)
            answers = []
            for question in questions:
                async with node.exchange("office", question, complete=True, deadline=20) as ex:
                    answers.append(await ex.receive())
            return answers


@pytest.fixture
def office(python: Path, make_node: Callable[[str, str], NodeProcess]) -> Callable[..., Office]:
    """Return what configures a node with these plugins, not yet started."""

    def make(plugins: tuple[str, ...], more: str = "") -> Office:
        port = free_port()
        names = json.dumps([*BUILT_IN, *plugins])
        node = make_node(
            "office",
            f"plugins = {names}\n{more}"
            f'[mesh]\nlisten = "127.0.0.1:{port}"\n[http]\nlisten = "127.0.0.1:0"\n',
        )
        node.python = str(python)
        return Office(node, port)

    return make


def reasons(entries: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{entries[name]['state']}: {entries[name]['reason']}" for name in BROKEN}


def test_a_third_partys_plugin_is_found_listed_loaded_and_used(
    office: Callable[..., Office],
) -> None:
    unused = office(()).plugins()["bells"]
    assert (unused["distribution"], unused["version"]) == ("clawmatrix-bells", "2.5")
    assert (unused["state"], unused["reason"]) == ("disabled", "not among the plugins chosen")

    used = office(("bells",), '[bells]\nsound = "dong"\n')
    used.start()
    entry = used.plugins()["bells"]
    assert (entry["state"], entry["reason"]) == ("active", None)
    assert {"frame_received", "register_http_routes", "start_plugin"} <= set(entry["hooks"])
    assert anyio.run(used.ask, "bells_req") == [{"sound": "dong 1"}]
    assert used.ring_by_http() == {"sound": "dong 2"}
    assert used.node.cli("ring").stdout == "dong 3\n"
    assert used.node.ask("status", probe=False)["bells"] == {"rung": 3}
    assert used.node.end() == 0


def test_a_third_partys_plugin_is_disabled_by_the_configuration(
    office: Callable[..., Office],
) -> None:
    off = office(("bells",), 'disable = ["bells"]\n')
    off.start()
    entry = off.plugins()["bells"]
    assert (entry["state"], entry["reason"]) == ("disabled", "disabled in the configuration")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        off.ring_by_http()
    assert off.node.cli("ring").returncode == 2
    assert "bells" not in off.node.ask("status", probe=False)


def test_broken_plugins_are_named_and_the_node_serves_on(office: Callable[..., Office]) -> None:
    broken = office(("bells", *BROKEN))
    broken.start()
    # One looks at all frames and raises, and one hangs all the while: the answers come.
    answers = anyio.run(broken.ask, "bells_req", "ping", "bells_req")
    assert answers == [{"sound": "ding 1"}, {"n": None}, {"sound": "ding 2"}]
    assert broken.ring_by_http() == {"sound": "ding 3"}

    found = reasons(broken.plugins())
    assert found["no-import"] == (
        "failed: could not be imported: ImportError: libbells.so.3: cannot open shared object file"
    )
    assert "failed: does not fit the hooks:" in found["no-fit"]
    assert "{'reactor'} are declared in the hookimpl" in found["no-fit"]
    assert found["no-start"] == "failed: did not start: RuntimeError: the bell is cracked"
    assert broken.plugins()["bad-frame"]["lastFault"].startswith("frame_received: KeyError")

    def fault_of(name: str) -> str:
        return str(broken.plugins()[name].get("lastFault"))

    with pytest.raises(ExchangeFailure, match="block_req"):  # seen, though nobody answers
        anyio.run(broken.ask, "block_req")
    wait_for(lambda: "blocked the event loop" in fault_of("blocks"), "the blocker is named")
    wait_for(
        lambda: fault_of("hangs") == f"peer_changed: Overrun: took over {HANG_LIMIT:g} s",
        "the one that hangs is named",
    )
    assert broken.ring_by_http() == {"sound": "ding 4"}
    assert anyio.run(broken.ask, "bells_req") == [{"sound": "ding 5"}]
    assert set(broken.node.ask("status", probe=False)["node"]["failed"]) == {
        "no-import",
        "no-fit",
        "no-start",
    }
    assert broken.node.end() == 0
