"""The tools as other nodes call them."""

from __future__ import annotations

import signal as signals
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from clawmatrix_core import JSON
from clawmatrix_tool_proxy.exec.arguments import canonical_exec, canonical_shell
from clawmatrix_tool_proxy.exec.commands import GuardLost, NotStarted, run_command
from clawmatrix_tool_proxy.exec.guarding.own import OWN_FOLDERS
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.tool import ToolCall, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from logging import Logger

    from clawmatrix_tool_proxy.exec.commands import Ended
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.exec.guards import Guards
    from clawmatrix_tool_proxy.exec.jobs import Jobs
    from clawmatrix_tool_proxy.tool import Arguments, Tool

__all__ = ["CommandTools", "Finished"]

_SHELL: Final = "/bin/sh"

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Finished(msgspec.Struct, omit_defaults=True):
    """What ``exec`` and ``shell`` give, once nothing of the command is left.

    Attributes:
        seconds: how long the command ran.
        stdout: how many bytes it wrote to its output.
        stderr: how many to its error output.
        exit: its exit status; absent where a signal ended it.
        signal: the name of that signal.
        killed: why the node killed it: "timeout", or "processes" where it had too many.
    """

    seconds: float
    stdout: int
    stderr: int
    exit: int | None = None
    signal: str | None = None
    killed: str | None = None


class CommandTools:
    """Runs commands for other nodes.

    Args:
        jobs: makes their jobs, as the configuration has it now.
        guards: start their guards.
        log: told why a command was refused.
    """

    def __init__(self, jobs: Callable[[], Jobs], guards: Guards, log: Logger) -> None:
        self._jobs, self._guards, self._log = jobs, guards, log

    def tools(self) -> Sequence[Tool]:
        """Return the tools."""
        config = self._jobs().config
        limits = {"deadline": float(config.timeout) + _GRACE, "at_once": config.at_once}
        return (
            tool(self.exec, canonical=self._canonical(canonical_exec), **limits),
            tool(self.shell, canonical=self._canonical(canonical_shell), **limits),
        )

    async def exec(
        self,
        call: ToolCall,
        argv: Annotated[list[str], msgspec.Meta(min_length=1)],
        cwd: str = "",
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        timeout: Seconds | None = None,
    ) -> Finished:
        """Run a program. Its output comes as it is written; the result says how it ended.

        No shell reads the arguments: they reach the program as they are.

        Args:
            argv: The program, by name or path, and its arguments.
            cwd: The folder that it starts in, as ROOT/relative.
            env: Variables to set, of those that the node takes from callers.
            stdin: Its input.
            timeout: How many seconds it may take.
        """
        return await self._run(call, argv, cwd, env, stdin, timeout)
    ...
