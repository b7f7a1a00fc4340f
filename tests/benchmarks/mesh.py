"""Real nodes for benchmarks: ``clawmatrix run``, one process each, all on one core."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import attrs

from tests.benchmarks.processes import child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.benchmarks.processes import Child

__all__ = ["SECRET", "TOKEN", "Mesh", "alone", "mesh", "node", "relay"]

SECRET = "benchmark-" * 4
TOKEN = "cmx-benchmark-token"
PROGRAM = "clawmatrix_core.cli"
CORE = 1
"""Where nodes run, and their peers; what asks them runs on core 0."""


@contextlib.contextmanager
def node(
    name: str, body: str, folder: Path, program: str = PROGRAM, *, core: int | None = CORE
) -> Iterator[Child]:
    """Run a node with this much of a configuration; ``program`` is the module to run."""
    config = folder / f"{name}.toml"
    head = f'node_id = "{name}"\nsecret = "env:BENCH_SECRET"\nstate_dir = "{folder / name}"\n'
    config.write_text(head + body)
    command = [sys.executable, "-m", program, "run", "-c", str(config)]
    env = {"BENCH_SECRET": SECRET, "BENCH_TOKEN": TOKEN, "XDG_RUNTIME_DIR": str(folder)}
    with child(command, core=core, log=folder / f"{name}.log", env=env) as running:
        yield running


@contextlib.contextmanager
def relay(folder: Path, program: str = PROGRAM) -> Iterator[tuple[Child, str]]:
    """Run a relay with all built-in plugins; give it and its address."""
    body = (
        f'[mesh]\nlisten = "127.0.0.1:0"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\ntoken = "env:BENCH_TOKEN"\n'
    )
    with node("relay", body, folder, program) as running:
        address = running.expect(r"is up: .*?(ws://[\d.]+:\d+)")[1]
        yield running, address


@attrs.frozen
class Mesh:
    """Home, which asks; office, which serves; the relay that both dial.

    Attributes:
        port: of home's local API.
        nodes: the processes by name.
        started: seconds each node took until it said that it is up.
    """

    port: int
    nodes: Mapping[str, Child]


@contextlib.contextmanager
def mesh(
    folder: Path,
    upstream: str,
    models: Mapping[str, str] | None = None,
    *,
    program: str = PROGRAM,
) -> Iterator[Mesh]:
    """Run the three nodes, office serving models from the upstream.

    ``models`` has the API of each by its name; without it there is ``bench``, of chat completions.
    """
    served = "".join(
        _model(upstream, name, api)
        for name, api in (models or {"bench": "openai-completions"}).items()
    )
    port = free_port()
    with contextlib.ExitStack() as stack:

        def start(name: str, body: str) -> Child:
            return stack.enter_context(node(name, body, folder, program))

        between, address = stack.enter_context(relay(folder, program))
        common = f'[mesh]\npeers = ["{address}"]\n[http]\ntoken = "env:BENCH_TOKEN"\n'
        office = start("office", f'{common}listen = "127.0.0.1:{free_port()}"\n{served}')
        home = start("home", f'{common}listen = "127.0.0.1:{port}"\n')
        for running in (office, home):
            running.expect("is up")
        yield Mesh(port, {"home": home, "relay": between, "office": office})


@contextlib.contextmanager
def alone(folder: Path, upstream: str) -> Iterator[tuple[Child, int]]:
    """Run one node that serves the model ``bench`` itself, without a mesh; give it and its port."""
    port = free_port()
    http = f'[http]\ntoken = "env:BENCH_TOKEN"\nlisten = "127.0.0.1:{port}"\n'
    body = http + _model(upstream, "bench", "openai-completions")
    with node("alone", body, folder) as running:
        running.expect("is up")
        yield running, port


def _model(upstream: str, name: str, api: str) -> str:
    return (
        f'[[model-proxy.models]]\nid = "{name}"\napi = "{api}"\nbase_url = "{upstream}"\n'
        'upstream_model = "bench"\napi_key = "env:BENCH_TOKEN"\n'
    )
