"""Child processes of a benchmark: started on a core, watched, measured, ended."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.harness import ROOT, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

__all__ = ["Child", "child", "free_port", "module"]


class Child:
    """A process, with what it costs.

    Attributes:
        started: ``time.monotonic`` just before it was started.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, started: float) -> None:
        self._process = process
        self._log = log
        self._seen = b""
        self.started = started

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def expect(self, pattern: str, limit: float = 60.0) -> re.Match[str]:
        """Read its standard output until a line matches. Raises: RuntimeError."""
        deadline = time.monotonic() + limit
        while (wait := deadline - time.monotonic()) > 0:
            found = re.search(pattern, self._seen.decode(errors="replace"), re.MULTILINE)
            if found:
                return found
            if not self._read(wait):
                break
        raise RuntimeError(f"{self._process.args!r} did not say {pattern!r}:\n{self.output()}")

    def _read(self, wait: float) -> bool:
        out: IO[bytes] | None = self._process.stdout
        assert out is not None
        if not select.select([out], [], [], wait)[0]:
            return False
        data = os.read(out.fileno(), 65536)
        self._seen += data
        return bool(data)

    def output(self) -> str:
        """Return the end of what it wrote."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return self._seen.decode(errors="replace")[-2000:] + log[-4000:]

    def memory(self) -> dict[str, float]:
        """Return its and its children's memory in MB: ``pss`` (shared pages divided), ``rss``."""
        found = {"pss": 0.0, "rss": 0.0}
        for pid in _family(self.pid):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                for name in found:
                    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE | re.IGNORECASE)
                    found[name] += int(match[1]) / 1000 if match else 0.0
        return found

    def cpu(self) -> float:
        """Return the processor seconds it has used so far, in all its threads."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def cpu_of_all(self) -> float:
        """Return the processor seconds that it and its children used, also those that ended."""
        found = 0
        for pid in _family(self.pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found += sum(map(int, words[11:15]))
        return found / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Kill it, and nothing that it started."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child_pid in task.read_text().split():
                found += _family(int(child_pid))
    return found


@contextlib.contextmanager
def child(
    command: Sequence[str],
    *,
    core: int | None,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Run a command on a core, None for any, while this is entered.

    Its standard error goes to the log.
    """
    place = contextlib.nullcontext() if core is None else pinned(core)
    with log.open("wb") as errors, place:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    running = Child(process, log, started)
    try:
        yield running
    finally:
        running.stop()


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this folder."""
    return [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]


def free_port() -> int:
    """Return a loopback port that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
