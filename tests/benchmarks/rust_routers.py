"""Two routers written in Rust, as peers of one hop: ``smg`` and ``vllm-router``.

They route to model servers of a kind, and convert and seal nothing: about what one hop costs
where nothing but HTTP is read and written. They come from the package index, into an environment
of their own under ``.bench/``.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.benchmarks.harness import ROOT
from tests.benchmarks.mesh import CORE
from tests.benchmarks.processes import child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.processes import Child

__all__ = ["ROUTERS", "install", "router", "version"]

PLACE = ROOT / ".bench" / "routers"
ROUTERS = {"smg": ("smg", "launch"), "vllm-router": ("vllm-router",)}
"""The command of each, by the name of its package."""


def install() -> None:
    """Make the environment, where there is none; that takes a minute."""
    if not (PLACE / "bin" / "vllm-router").exists():
        print("installing smg and vllm-router under .bench ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
        subprocess.run([str(PLACE / "bin" / "pip"), "install", "-q", *ROUTERS], check=True)


def version(name: str) -> str:
    """Return the version that is installed."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    command = [str(PLACE / "bin" / "python"), "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def router(name: str, folder: Path, upstream: str) -> Iterator[tuple[Child, int]]:
    """Run a router before the upstream, as it comes but for its logs; give it and its port."""
    port = free_port()
    command, *more = ROUTERS[name]
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--worker-urls": upstream.removesuffix("/v1"),
        "--prometheus-port": str(free_port()),
        "--log-level": "error",
    }
    words = [
        str(PLACE / "bin" / command),
        *more,
        *(word for pair in options.items() for word in pair),
    ]
    with child(words, core=CORE, log=folder / f"{name}.log") as running:
        yield running, port
