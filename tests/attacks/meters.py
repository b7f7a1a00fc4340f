"""What a process takes of the machine."""

from __future__ import annotations

from pathlib import Path

import attrs
import psutil

__all__ = ["Meter"]


@attrs.frozen
class Meter:
    """Reads one process. Linux only."""

    pid: int

    @property
    def resident(self) -> int:
        """Bytes of memory that are resident now."""
        return psutil.Process(self.pid).memory_info().rss

    @property
    def peak(self) -> int:
        """Bytes of memory that were resident at most since ``forget_peak``."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [one for one in status.splitlines() if one.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    @property
    def processor(self) -> float:
        """Seconds of processor time since the process began."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def forget_peak(self) -> None:
        """Count the peak from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
