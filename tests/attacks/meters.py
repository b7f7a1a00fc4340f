"""What a process takes of the machine, read from ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

__all__ = ["Meter"]

_TICKS = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Meter:
    """Reads one process. Linux only."""

    pid: int

    @property
    def resident(self) -> int:
        """Bytes of memory that are resident now."""
        return self._memory("VmRSS")

    @property
    def peak(self) -> int:
        """Bytes of memory that were resident at most since ``forget_peak``."""
        return self._memory("VmHWM")

    @property
    def processor(self) -> float:
        """Seconds of processor time since the process began."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def forget_peak(self) -> None:
        """Count the peak from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory(self, name: str) -> int:
        [line] = [one for one in self._read("status").splitlines() if one.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()
