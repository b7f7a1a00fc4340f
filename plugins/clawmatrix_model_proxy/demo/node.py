"""A node process of the demonstration, and the commands that are shown there."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import click

from clawmatrix_core.cli import call

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DemoNode"]


@attrs.define
class DemoNode:
    """One node process of the demonstration."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        """The file of its configuration."""
        return self.folder / f"{self.name}.toml"

    def write(self, text: str) -> None:
        """Write the configuration; the node's name, secret and state folder come first."""
        state = self.folder / f"{self.name}-state"
        head = f'node_id = "{self.name}"\nsecret = "file:secret"\nstate_dir = "{state}"\n'
        self.config.write_text(head + text)
        self.config.chmod(0o600)

    def write_more(self, text: str) -> None:
        """Write tables behind those that the configuration has."""
        with self.config.open("a") as config:
            config.write(text)

    def start(self) -> None:
        """Start the process; it may take seconds until it answers."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clawmatrix_core.cli", "-c", str(self.config), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process by a signal, where it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask(self, method: str, **params: Any) -> Any:
        """Return what a control method of the node returns. Raises: ClawMatrixError."""
        return call(self.config, method, params)

    def show(self, *words: str) -> None:
        """Run a command of ``clawmatrix`` at the node, and print both it and what it prints."""
        click.echo(f"{self.name}$ clawmatrix {shlex.join(words)}")
        command = [sys.executable, "-m", "clawmatrix_core.cli", "-c", str(self.config), *words]
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        click.echo(done.stdout)

    def peer(self, name: str) -> dict[str, Any]:
        """Return what the node knows of another one, nothing where it has not heard of it."""
        peers: list[dict[str, Any]] = self.ask("peers")
        return next((peer for peer in peers if peer["nodeId"] == name), {})

    def fail_if_ended(self) -> None:
        """Raise ClickException with the end of the log, where the process has ended."""
        if self.process is not None and self.process.poll() is not None:
            log = (self.folder / f"{self.name}.log").read_text(errors="replace")
            raise click.ClickException(f"{self.name} ended:\n{log[-2000:]}")
