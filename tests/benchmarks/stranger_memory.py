"""Resident memory that connections of strangers cost a node, on average.

``python -m tests.benchmarks.stranger_memory`` starts a node of its own for each kind of port and
opens connections from several addresses, each of which sends almost as much as is read of a
stranger and then waits: 60 of them, which the node keeps, and 500, of which it closes most. It
prints the KiB for each that was opened, at the most seen, and fails where one of either costs
more than docs/security.md promises.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trustme

KEPT, CROWD = 60, 500
LIMITS = {"mesh": 256, "mesh with TLS": 640, "http": 256}
"""KiB a connection."""

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MESSAGES = b"\x82\xff" + (100_000).to_bytes(8) + bytes(4) + bytes(65_000)
HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 32_000


def resident(pid: int) -> int:
    """Return KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"no process {pid}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configure(folder: Path, mesh: int, http: int, *, tls: bool) -> Path:
    """Write the configuration of a node."""
    more = ""
    if tls:
        made = trustme.CA().issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(folder / "key.pem")
        for piece in made.cert_chain_pems:
            piece.write_to_path(folder / "cert.pem", append=True)
        more = f'tls_cert = "{folder}/cert.pem"\ntls_key = "{folder}/key.pem"\n'
    file = folder / "clawmatrix.toml"
    file.write_text(
        f'node_id = "target"\nsecret = "{"s" * 40}"\nstate_dir = "{folder}/state"\n'
        f'plugins = ["mesh", "http", "control"]\n'
        f'[mesh]\nlisten = "127.0.0.1:{mesh}"\n{more}'
        f'[http]\nlisten = "127.0.0.1:{http}"\n'
    )
    file.chmod(0o600)
    return file


def dial(port: int, context: ssl.SSLContext | None, source: str = "127.0.0.1") -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), 5, (source, 0))
            return sock if context is None else context.wrap_socket(sock)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # between looks at a process that starts


def measure(kind: str) -> list[float]:
    """Return KiB a connection: for a few, and for a crowd."""
    context = None
    if kind == "mesh with TLS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = HEAD if kind == "http" else UPGRADE + MESSAGES
    mesh, http = free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        config = configure(Path(name), mesh, http, tls=context is not None)
        command = [sys.executable, "-m", "clawmatrix_core.cli", "run", "-c", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as node:
            port = http if kind == "http" else mesh
            try:
                _crowd(node.pid, port, context, said, 20)  # what the first ones load stays
                return [
                    _crowd(node.pid, port, context, said, count) / count for count in (KEPT, CROWD)
                ]
            finally:
                node.terminate()


def _crowd(pid: int, port: int, context: ssl.SSLContext | None, said: bytes, count: int) -> int:
    """Return by how many KiB a node grew at most while a crowd was there."""
    dial(port, context).close()
    before = most = resident(pid)
    crowd: list[socket.socket] = []
    for number in range(count):
        sock = dial(port, context, f"127.0.0.{1 + number % 8}")
        sock.settimeout(2)
        with contextlib.suppress(OSError):
            sock.sendall(said)
        crowd.append(sock)
        most = max(most, resident(pid))
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        most = max(most, resident(pid))
        time.sleep(0.05)  # between looks at its memory
    for sock in crowd:
        sock.close()
    time.sleep(1)  # for the node to notice that the crowd left, before the next one
    return most - before


def main() -> int:
    os.environ.pop("CLAWMATRIX_CONFIG", None)
    failed = False
    for kind, most in LIMITS.items():
        few, crowd = measure(kind)
        print(f"{kind}: {few:.0f} KiB each of {KEPT}, {crowd:.0f} each of {CROWD}, at most {most}")
        failed = failed or max(few, crowd) > most
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
