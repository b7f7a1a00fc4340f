"""Real node processes on loopback, ended whatever a test does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import openai
import pytest

from clawmatrix_core.base.errors import ClawMatrixError
from clawmatrix_core.cli import control_client
from tests.tools.forking import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLOW = "embedded@50ms"
"""A model of the embedded upstream that takes its time over each word."""
SECRET = "integration-tests-secret-0123456789abcdef"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Look again and again until the condition holds; return what it returned."""
    ends = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except (ClawMatrixError, OSError):
            found = None
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)  # between looks at another process


@attrs.define
class NodeProcess:
    """A node in a process of its own, as ``clawmatrix run`` starts it.

    Attributes:
        prefix: what its commands begin with, where something else is to start them.
    """

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    python: str = sys.executable
    prefix: tuple[str, ...] = ()

    @property
    def config(self) -> Path:
        return self.folder / f"{self.name}.toml"

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    def configure(self, text: str) -> None:
        state = self.folder / f"{self.name}-state"
        head = f'node_id = "{self.name}"\nsecret = "{SECRET}"\nstate_dir = "{state}"\n'
        self.config.write_text(head + text)
        self.config.chmod(0o600)

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command("run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "error"},
                cwd=self.folder,  # not where this commit's sources are
            )

    def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(20)

    def ask(self, method: str, **params: Any) -> Any:
        return control_client.call(self.config, method, params)

    def status_of(self, peer: str) -> str | None:
        return next((p["status"] for p in self.ask("peers") if p["nodeId"] == peer), None)

    def wait_for_status(self, peer: str, status: str, seconds: float = 30.0) -> None:
        wait_for(
            lambda: self.status_of(peer) == status,
            f"{self.name} sees {peer} as {status}\n{self.log}",
            seconds,
        )

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if self.python != sys.executable or self.prefix:
            command = self._command(*arguments)
            options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
            return subprocess.run(command, check=False, cwd=self.folder, **options)
        return commands().run(["-c", str(self.config), *arguments], cwd=self.folder)

    def _command(self, *arguments: str) -> list[str]:
        main = ("-m", "clawmatrix_core.cli", "-c", str(self.config))
        return [*self.prefix, self.python, *main, *arguments]


@attrs.define
class UpstreamProcess:
    """The embedded upstream in a process of its own."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=5) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[[str, str], NodeProcess]]:
    """Return a function that makes a node of a name and a configuration, not yet started."""
    made: list[NodeProcess] = []

    def make(name: str, config: str) -> NodeProcess:
        node = NodeProcess(name, tmp_path)
        node.configure(config)
        made.append(node)
        return node

    yield make
    for node in made:
        if node.process is not None and node.process.poll() is None:
            node.process.kill()
            node.process.wait()


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamProcess]:
    """Run the embedded upstream."""
    with run_upstream(tmp_path / "upstream.log") as running:
        yield running


@contextmanager
def run_upstream(log_file: Path) -> Iterator[UpstreamProcess]:
    """Run the embedded upstream."""
    port = free_port()
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "clawmatrix_model_proxy.demo.embedded", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    upstream = UpstreamProcess(port, process)
    try:
        wait_for(lambda: upstream.stats() is not None, "the upstream answers")
        yield upstream
    finally:
        process.kill()
        process.wait()


@attrs.frozen
class Trio:
    """Three nodes, home and office dialling only the relay, and office's upstream."""

    home: NodeProcess
    relay: NodeProcess
    office: NodeProcess
    upstream: UpstreamProcess

    def client(self) -> openai.OpenAI:
        env = self.home.ask("http.env")
        return openai.OpenAI(base_url=env["baseUrl"], api_key=env["token"], max_retries=0)


@pytest.fixture
def trio(make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess) -> Trio:
    port = free_port()
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    served = "".join(
        f'[[model-proxy.models]]\nid = "{model}"\nbase_url = "{upstream.base_url}"\n'
        for model in ("embedded", SLOW)
    )
    relay = make_node(
        "relay",
        f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n',
    )
    home, office = make_node("home", dial), make_node("office", dial + served)
    for node in (relay, home, office):
        node.start()
    home.wait_for_status("office", "relay")
    return Trio(home, relay, office, upstream)


def ask(
    client: openai.OpenAI, model: str, prompt: str
) -> openai.Stream[openai.types.chat.ChatCompletionChunk]:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": prompt}], stream=True
    )
