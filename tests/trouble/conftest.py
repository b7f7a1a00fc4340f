"""Nodes, upstreams and programs on machines whose network is in trouble."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.integration.conftest import NodeProcess, wait_for
from tests.trouble import upstream as upstream_program
from tests.trouble.machines import Lan, Machine, lan, require_programs
from tests.trouble.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

__all__ = ["HTTP", "MODEL_PORT", "Answer", "Site", "TroubledNode", "dial", "model", "net"]

MODEL_PORT = 11434
HTTP = '[http]\nlisten = "127.0.0.1:19100"\n'
PATIENCE = 90.0
"""Seconds for which a program waits for an answer: longer than a node does."""


@attrs.frozen
class Answer:
    """What came of a question.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        whole: whether each byte of the answer is what it must be, up to its end.
        code: the code of the error that the program was told.
        seconds: how long it took.
        pause: seconds of the longest silence.
        words: more about what went wrong.
    """

    status: int
    whole: bool
    code: str | None
    seconds: float
    pause: float
    words: str = ""

    @property
    def honest(self) -> bool:
        """Whether it is whole, or says by an error that it is not."""
        return self.whole or self.code is not None


def ask(token: str, model: str, prompt: str, *, stream: bool) -> Answer:
    """Ask the node of this machine."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream}
    url, headers = (
        "http://127.0.0.1:19100/v1/chat/completions",
        {"authorization": f"Bearer {token}"},
    )
    began = last = time.monotonic()
    pause, data = 0.0, b""
    with (
        httpx2.Client(timeout=PATIENCE, trust_env=False) as client,
        client.stream("POST", url, json=body, headers=headers) as answer,
    ):
        for piece in answer.iter_raw():
            now = time.monotonic()
            pause, last = max(pause, now - last), now
            data += piece
    text, code, ended = _read(data, stream=stream and answer.status_code == 200)
    whole = ended and code is None and text == compute(body).text
    seconds = time.monotonic() - began
    return Answer(
        answer.status_code, whole, code, seconds, pause, data[-300:].decode(errors="replace")
    )


def _read(data: bytes, *, stream: bool) -> tuple[str, str | None, bool]:
    """Return text, error code, and whether the answer came to its end."""
    if not stream:
        said = json.loads(data)
        if "error" in said:
            return "", said["error"]["code"], True
        choice = said["choices"][0]
        return choice["message"]["content"], None, choice["finish_reason"] == "stop"
    text, code = "", None
    lines = [line[6:] for line in data.decode().split("\n") if line.startswith("data: ")]
    for event in map(json.loads, (line for line in lines if line != "[DONE]")):
        code = event["error"]["code"] if "error" in event else code
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or ""
    return text, code, lines[-1:] == ["[DONE]"]


@attrs.define
class TroubledNode(NodeProcess):
    """A node on a machine of its own."""

    machine: Machine = attrs.field(kw_only=True)

    def asking(
        self, model: str, prompt: str = "count to 20", *, stream: bool = True
    ) -> Future[Answer]:
        """Have a program on this machine ask for an answer; return what will have it."""
        token = self.ask("http.env")["token"]
        return self.machine.call(ask, token, model, prompt, stream=stream)

    def answer(self, model: str, prompt: str = "count to 20", *, stream: bool = True) -> Answer:
        """Ask, and wait for the answer."""
        return self.asking(model, prompt, stream=stream).result()

    def printed(self, *words: str) -> Any:
        """Return what a command prints as JSON."""
        done = self.cli(*words, "--json")
        assert done.returncode in (0, 12), done.stderr
        return json.loads(done.stdout)

    def links(self) -> set[str]:
        """Return the neighbours, as ``status --json`` has them."""
        return set(self.printed("status")["node"]["links"])

    def nothing_taken_out(self) -> None:
        """Fail where a plugin is not in use, or had a fault."""
        plugins = self.printed("plugins", "list")["plugins"]
        assert {p["name"]: p["state"] for p in plugins} == {p["name"]: "active" for p in plugins}
        assert self.printed("status")["node"]["faults"] == {}

    def finding(self, name: str, about: str = "") -> dict[str, Any]:
        """Return the one finding of ``doctor --json`` of a check, about something."""
        found = [
            one
            for one in self.printed("doctor")["checks"]
            if one["name"] == name and about in one["detail"]
        ]
        assert len(found) == 1, found
        return dict(found[0])

    def linked_within(self, seconds: float, *names: str) -> float:
        """Wait for links to these nodes; return the seconds that it took."""
        began = time.monotonic()
        wanted = set(names)
        wait_for(
            lambda: wanted <= set(self.ask("status")["node"]["links"]),
            f"{self.name} has links to {names}\n{self.log}",
            seconds,
        )
        return time.monotonic() - began

    def stopped_within(self, seconds: float) -> None:
        """Send SIGTERM; fail where the node does not end in order, and soon."""
        began = time.monotonic()
        assert self.end(signal.SIGTERM) == 0, self.log
        took = time.monotonic() - began
        assert took < seconds, f"{took:.1f} s to stop\n{self.log}"


@attrs.frozen
class Site:
    """Where a test builds its machines, and what runs on them."""

    lan: Lan
    folder: Path
    _stack: ExitStack

    def machine(self, name: str) -> Machine:
        return self.lan.machine(name)

    def inside(self, number: int = 78) -> Lan:
        """Make another wire: whether and how it is connected is for the test to say."""
        return Lan(self._stack.enter_context(Wire(number)), self.lan.make, number)

    def node(self, machine: Machine, config: str, name: str | None = None) -> TroubledNode:
        """Start a node on a machine, under the name of the machine or another."""
        node = self.stopped_node(machine, config, name)
        node.start()
        wait_for(lambda: f"node {node.name} is up" in node.log, f"{node.name} is up")
        return node

    def stopped_node(self, machine: Machine, config: str, name: str | None = None) -> TroubledNode:
        """Write the configuration of a node, which the test may start."""
        node = self.unwritten_node(machine, name or machine.name)
        node.configure(config)
        return node

    def unwritten_node(self, machine: Machine, name: str) -> TroubledNode:
        """Return a node that has no configuration yet."""
        node = TroubledNode(name, self.folder, prefix=machine.prefix, machine=machine)
        self._stack.callback(_kill, node)
        return node

    def hub(self, name: str = "hub", more: str = "") -> TroubledNode:
        """Start a node that others dial."""
        return self.node(self.machine(name), f'{HTTP}[mesh]\nlisten = "*:19000"\n{more}')

    def upstream(self, machine: Machine, host: str = "127.0.0.1") -> None:
        """Run the embedded upstream on a machine."""
        program = [sys.executable, upstream_program.__file__, host, str(MODEL_PORT)]
        process = subprocess.Popen([*machine.prefix, *program], stdin=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        at = "127.0.0.1" if host == "0.0.0.0" else host

        def answers() -> bool:
            return machine.call(_get, f"http://{at}:{MODEL_PORT}/stats").result()

        wait_for(answers, "the upstream answers")


def dial(*addresses: str, more: str = "") -> str:
    """Return the configuration of a node that dials others."""
    return f"{HTTP}[mesh]\npeers = {json.dumps(addresses)}\n{more}"


def model(id_: str, host: str = "localhost") -> str:
    """Return the configuration of a model at a host."""
    return f'[[model-proxy.models]]\nid = "{id_}"\nbase_url = "http://{host}:{MODEL_PORT}/v1"\n'


def _get(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return bool(answer.read())


def _kill(node: TroubledNode) -> None:
    if node.process is not None and node.process.poll() is None:
        node.process.kill()
        node.process.wait()


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Provide an empty network."""
    require_programs("ip", "nft", "nsenter", "unshare")
    monkeypatch.setenv("HOME", str(tmp_path))
    with lan(tmp_path / "machines") as made, ExitStack() as stack:
        # The path of a socket is short, and that of a test's folder is not.
        run = stack.enter_context(TemporaryDirectory(prefix="run", ignore_cleanup_errors=True))
        monkeypatch.setenv("XDG_RUNTIME_DIR", run)
        yield Site(made, tmp_path, stack)
