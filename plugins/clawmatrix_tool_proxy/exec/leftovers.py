"""What a guard leaves behind that was killed itself: processes of its command, and a folder."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clawmatrix_tool_proxy.exec.guarding.cgroup import remove_group
from clawmatrix_tool_proxy.exec.guarding.private import remove_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clear_away"]

_ROUNDS: Final = 200
_BETWEEN: Final = 0.005  # seconds


def clear_away(mark: str, private: str, cgroup: str | None) -> None:
    """Kill what still has a mark in its environment, and remove private folder and cgroup.

    Blocks. What is in the cgroup it finds whatever it did. Without one it finds no process that
    has changed its own environment, and none without ``/proc``: the kernel itself kills the first
    process of a command together with its guard.
    """
    for _ in range(_ROUNDS):
        found = [*_processes_with(mark.encode()), *_processes_in(cgroup)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break
        time.sleep(_BETWEEN)  # between two looks at processes of a guard that is gone
    if private:
        with contextlib.suppress(OSError):
            remove_folder(private)
    if cgroup is not None:
        remove_group(cgroup)


def _processes_with(words: bytes) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words in (process / "environ").read_bytes():
                yield int(process.name)


def _processes_in(cgroup: str | None) -> list[int]:
    with contextlib.suppress(OSError):
        if cgroup is not None:
            return [int(line) for line in Path(cgroup, "cgroup.procs").read_text().split()]
    return []
