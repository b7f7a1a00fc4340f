"""The nodes of the endurance run, each a real process, and what is done to them on purpose.

Hub links them all and passes on; home has the programs that call; office and annex serve models.
Hub, home and office run all the time, so that what leaks there shows. Annex is restarted again
and again, and guests come and go.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
from anyio.to_thread import run_sync

from clawmatrix_core.testing.fixtures import SECRET
from tests.integration.conftest import NodeProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["STEADY", "World", "world"]

STEADY = ("hub", "home", "office")
"""The nodes that are never restarted."""
GUESTS = ("guest0", "guest1", "guest2")
START = 60.0
"""Seconds within which a node has started, on a machine that has much else to do."""
STOP = 30.0
"""Seconds within which a node that was told to stop has done so."""


class Node(NodeProcess):
    """A node that has the secret of the tests' members by hand."""

    def configure(self, text: str) -> None:
        state = self.folder / f"{self.name}-state"
        head = f'node_id = "{self.name}"\nsecret = "{SECRET}"\nstate_dir = "{state}"\n'
        self.config.write_text(f"tags = []\n{head}{text}")
        self.config.chmod(0o600)

    def retag(self, number: int) -> None:
        """Change the tags in the configuration, for a reload to find."""
        _, _, rest = self.config.read_text().partition("\n")
        self.config.write_text(f'tags = ["change-{number}"]\n{rest}')

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


@attrs.define
class World:
    """All processes of the run.

    Attributes:
        nodes: by name.
        mesh_port: where hub listens for other nodes.
        http_port: where home listens for programs; ``token`` is theirs.
        annex_back: when annex was last known to be up again after a restart, on the loop's
            clock; infinite while it is down.
        restarts: how often annex was restarted.
        visits: how often a guest came and went.
        wrong: what went wrong in that, in words.
    """

    nodes: dict[str, Node]
    mesh_port: int
    http_port: int
    token: str
    annex_back: float = -math.inf
    restarts: int = 0
    visits: int = 0
    reloads: int = 0
    wrong: list[str] = attrs.field(factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    async def restart_annex(self, rng: Random) -> None:
        """End annex, in good order or at once, and start it again."""
        annex = self.nodes["annex"]
        self.annex_back = math.inf
        how = rng.choice((signal.SIGTERM, signal.SIGKILL))
        await self._end(annex, how)
        await anyio.sleep(rng.uniform(0, 3))
        annex.start()
        self.restarts += 1
        home = self.nodes["home"]
        await run_sync(wait_for, lambda: _serves(home, "annex"), "annex is back", START)
        self.annex_back = anyio.current_time()

    async def visit(self, rng: Random) -> None:
        """Have a guest join, stay for a moment, and leave."""
        guest = self.nodes[rng.choice(GUESTS)]
        guest.start()
        what = f"{guest.name} reaches office\n{guest.log[-2000:]}"
        await run_sync(wait_for, lambda: guest.status_of("office") == "relay", what, START)
        await anyio.sleep(rng.uniform(0, 3))
        await self._end(guest, rng.choice((signal.SIGTERM, signal.SIGKILL)))
        self.visits += 1

    async def reload(self, rng: Random) -> None:
        """Change the configuration of a node, and have it read again."""
        node = self.nodes[rng.choice(STEADY)]
        self.reloads += 1
        node.retag(self.reloads)
        await run_sync(lambda: node.ask("reload"))

    async def _end(self, node: Node, how: int) -> None:
        status = await run_sync(node.end, how)
        if how == signal.SIGTERM and status != 0:
            self.wrong.append(f"{node.name} was told to stop, and ended with {status}")

    def stop(self) -> None:
        """Stop all nodes in good order, and note which did not end so."""
        running = [node for node in self.nodes.values() if node.runs]
        for node in running:
            assert node.process is not None
            node.process.send_signal(signal.SIGTERM)
        for node in running:
            assert node.process is not None
            try:
                status = node.process.wait(STOP)
            except subprocess.TimeoutExpired:
                self.wrong.append(f"{node.name} did not stop within {STOP:g} s")
            else:
                if status != 0:
                    self.wrong.append(f"{node.name} ended with {status}")


def _serves(home: Node, name: str) -> bool:
    return any(
        peer["nodeId"] == name and peer["status"] == "relay" and "only-annex" in peer["models"]
        for peer in home.ask("peers")
    )


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start all nodes, wait until they reach each other, and end them in any case."""
    mesh_port, http_port, upstream_port = free_port(), free_port(), free_port()
    http = f'[http]\nlisten = "127.0.0.1:{http_port}"\n'
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{mesh_port}"]\n'
    few = 'plugins = ["mesh", "relay", "control"]\n'
    serving = f'{dial}[http]\nlisten = "127.0.0.1:0"\n'
    good = f"http://127.0.0.1:{upstream_port}/v1"
    bad = f"http://127.0.0.1:{upstream_port}/newlines"
    texts = {
        "hub": f'{few}[mesh]\nlisten = "127.0.0.1:{mesh_port}"\n',
        "home": dial + http,
        "office": serving + _models(good, "steady", "shared", "vectors") + _models(bad, "newlines"),
        "annex": serving + _models(good, "only-annex", "shared"),
        **dict.fromkeys(GUESTS, few + dial),
    }
    nodes = {name: Node(name, folder) for name in texts}
    for name, node in nodes.items():
        node.configure(texts[name])
    with _upstream(upstream_port, folder):
        try:
            for name in (*STEADY, "annex"):
                nodes[name].start()
            home = nodes["home"]
            home.wait_for_status("office", "relay", START)
            wait_for(lambda: _serves(home, "annex"), "annex is there", START)
            yield World(nodes, mesh_port, http_port, home.ask("http.env")["token"])
        finally:
            for node in nodes.values():
                if node.runs and node.process is not None:
                    node.process.kill()
                    node.process.wait()


def _models(base_url: str, *names: str) -> str:
    return "".join(
        f'[[model-proxy.models]]\nid = "{name}"\nbase_url = "{base_url}"\n' for name in names
    )


@contextmanager
def _upstream(port: int, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.endurance.upstream", "--port", str(port)]
    root = str(Path(__file__).parents[2])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    with (folder / "upstream.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        )
    try:
        wait_for(lambda: _answers(port), "the upstream answers", START)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as answer:
        return bool(answer.status == 200)


def now() -> float:
    """Return the time in seconds of the clock that samples are noted by."""
    return time.monotonic()
