"""Somebody who does what the README says, on a machine with a clean Debian."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import attrs

from tests.integration.conftest import wait_for
from tests.newcomer.readme import is_install

if TYPE_CHECKING:
    from tests.newcomer.userland import Userland
    from tests.trouble.machines import Machine

__all__ = ["Newcomer"]

PATIENCE = 900.0
"""Seconds for one command: some fetch packages."""


@attrs.define(eq=False)
class Newcomer:
    """A user of a machine.

    Attributes:
        userland: the Debian that is on the machine.
        machine: the machine; it has no network but that of the test.
        user: the name of the user.
    """

    userland: Userland
    machine: Machine
    user: str
    _running: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.userland.as_root(f"useradd --create-home --shell /bin/bash {self.user}")

    def does(self, line: str, given: str = "") -> str:
        """Run a line in a new shell; return what it prints to standard output.

        What fetches packages runs on this machine's own network, and apt as root.
        """
        self._tell(line)
        if line.startswith("apt "):
            self.userland.as_root(line)
            return ""
        done = subprocess.run(
            self._shell(line), input=given, check=False, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def keeps(self, line: str) -> None:
        """Write a line into the profile."""
        self.does("cat >> ~/.profile", given=f"{line}\n")

    def begins(self, line: str, until: str) -> None:
        """Run a line in a terminal of its own until this is printed, and go on."""
        self._tell(line)
        process = subprocess.Popen(
            self._shell(f"exec {line}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._running.append(process)
        printed: list[str] = []
        assert process.stdout is not None
        reading = threading.Thread(target=printed.extend, args=(process.stdout,))
        reading.start()
        wait_for(lambda: until in "".join(printed), f"{line}: {until}\n{printed}", 60)

    def types(self, line: str, text: str, after: str) -> str:
        """Run a line in a terminal, and type a text where it asks; return what is shown."""
        self._tell(line)
        terminal, inside = pty.openpty()
        command = self._shell(line)
        process = subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)
        patience = threading.Timer(120, process.kill)
        patience.start()
        shown = ""
        try:
            while after not in shown:
                shown += os.read(terminal, 4096).decode()
            time.sleep(0.2)  # nobody types before the echo is off
            os.write(terminal, f"{text}\n".encode())
            while True:
                shown += os.read(terminal, 4096).decode()
        except OSError:  # the program has ended, and the terminal with it
            assert process.wait(60) == 0, shown
        finally:
            patience.cancel()
            os.close(terminal)
        return shown

    def stop(self) -> None:
        """End what runs."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()

    def _tell(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {self.machine.name}$ {line}", flush=True)

    def _shell(self, line: str) -> list[str]:
        shell = self.userland.shell(self.user, self.machine.name, line)
        return shell if is_install(line) else [*self.machine.prefix, *shell]


def path_in(printed: str) -> str:
    """Return the configuration file that a command names."""
    [found] = set(re.findall(r"\S+/clawmatrix\.toml", printed))
    return str(found)
