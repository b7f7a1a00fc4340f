"""A client that reads a kilobyte a second: the upstream waits, and no node keeps what it sends."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import attrs
import psutil
import pytest

from tests.integration.conftest import NodeProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 50 * 1024 * 1024
GROWTH = 16 * 1024 * 1024
"""What a node may grow by."""
WORDS = "x" * 1000
EVENTS = SIZE // len(WORDS)
PATHS = {"passed": "/v1/chat/completions", "converted": "/v1/messages"}


@attrs.define
class Firehose:
    """A chat upstream that sends 50 MB of answer as fast as it is taken.

    Attributes:
        written: bytes that the system has taken so far.
    """

    listener: socket.socket
    written: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        """Answer connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.settimeout(30)
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            data = b""
            while b"\r\n\r\n" not in data or not data.rstrip().endswith(b"}"):
                data += client.recv(65536)
            self._send(client, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
            self._send(client, b"transfer-encoding: chunked\r\n\r\n")
            event = _piece(_event({"content": WORDS}))
            for _ in range(EVENTS):
                self._send(client, event)
            self._send(client, _piece(_event({}, "stop")) + _piece(b"data: [DONE]\n\n"))
            self._send(client, b"0\r\n\r\n")
            client.recv(1)

    def _send(self, client: socket.socket, data: bytes) -> None:
        client.sendall(data)
        self.written += len(data)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture
def firehose() -> Iterator[Firehose]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        hose = Firehose(listener)
        threading.Thread(target=hose.serve, daemon=True).start()
        yield hose


@pytest.fixture
def nodes(
    make_node: Callable[[str, str], NodeProcess], firehose: Firehose
) -> dict[str, NodeProcess]:
    port = free_port()
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    model = f'[[model-proxy.models]]\nid = "m"\nbase_url = "{firehose.base_url}"\n'
    relay = f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n'
    made = {
        "relay": make_node("relay", relay),
        "home": make_node("home", dial),
        "office": make_node("office", dial + model),
    }
    for node in made.values():
        node.start()
    made["home"].wait_for_status("office", "relay")
    return made


def memory(nodes: dict[str, NodeProcess]) -> dict[str, int]:
    """Return the resident bytes of each node."""
    found = {}
    for name, node in nodes.items():
        assert node.process is not None
        found[name] = psutil.Process(node.process.pid).memory_info().rss
    return found


def ask(env: dict[str, Any], path: str) -> socket.socket:
    """Send a request for a stream, with as little room for its answer as the system gives."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "pour"}]}
    body["max_tokens"] = 10
    data = json.dumps(body).encode()
    host, _, port = env["baseUrl"].removeprefix("http://").removesuffix("/v1").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect((host, int(port)))
    client.sendall(
        f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer {env['token']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode()
        + data
    )
    return client


class Stalled:
    """Reads a kilobyte a second until the upstream has not been able to write for a while."""

    def __init__(self, client: socket.socket, firehose: Firehose) -> None:
        self._client = client
        self._firehose = firehose
        self._seen = (0, time.monotonic())
        self._read_at = 0.0
        self.pieces: list[bytes] = []

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._read_at >= 1.0:
            self.pieces.append(self._client.recv(1024))
            self._read_at = now
        if self._firehose.written != self._seen[0]:
            self._seen = (self._firehose.written, now)
        return self._seen[0] > 0 and now - self._seen[1] > 3.0


@pytest.mark.parametrize("kind", PATHS)
def test_a_slow_reader_slows_the_upstream_and_costs_nobody_memory(
    kind: str,
    nodes: dict[str, NodeProcess],
    firehose: Firehose,
    record_property: Callable[[str, object], None],
) -> None:
    env = nodes["home"].ask("http.env")
    before = memory(nodes)
    with ask(env, PATHS[kind]) as client:
        stalled = Stalled(client, firehose)
        wait_for(stalled, "the upstream has to wait")
        assert firehose.written < SIZE / 2  # most of it with the kernel, on four connections
        grown = {name: now - before[name] for name, now in memory(nodes).items()}
        record_property("grown by, MB", {name: round(n / 1e6, 1) for name, n in grown.items()})
        assert max(grown.values()) < GROWTH, grown
        body = b"".join(stalled.pieces) + _rest(client)
    text = _unchunked(body)
    assert text.count(WORDS.encode()) == EVENTS
    ended = b"data: [DONE]" if kind == "passed" else b"message_stop"
    assert ended in text[-200:]
    grown = {name: now - before[name] for name, now in memory(nodes).items()}
    assert max(grown.values()) < GROWTH, grown


def _rest(client: socket.socket) -> bytes:
    """Return what is left of the answer, up to the chunk that ends it."""
    pieces: list[bytes] = []
    while not (pieces and pieces[-1].endswith(b"0\r\n\r\n")):
        pieces.append(client.recv(1 << 20))
        assert pieces[-1], "closed in the middle"
    return b"".join(pieces)


def _unchunked(answer: bytes) -> bytes:
    at = answer.index(b"\r\n\r\n") + 4
    pieces: list[bytes] = []
    while True:
        end = answer.index(b"\r\n", at)
        size = int(answer[at:end], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(answer[end + 2 : end + 2 + size])
        at = end + 4 + size
