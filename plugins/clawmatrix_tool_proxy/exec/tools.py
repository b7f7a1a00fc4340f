"""The tools as other nodes call them."""

from __future__ import annotations

import signal as signals
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec

from clawmatrix_tool_proxy.exec.arguments import canonical_exec, canonical_shell
from clawmatrix_tool_proxy.exec.commands import GuardLost, NotStarted, run_command
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.tool import ToolCall, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from logging import Logger

    from clawmatrix_tool_proxy.exec.commands import Ended
    from clawmatrix_tool_proxy.exec.guarding.job import Place
    from clawmatrix_tool_proxy.exec.guards import Guards
    from clawmatrix_tool_proxy.exec.jobs import Jobs
    from clawmatrix_tool_proxy.tool import Arguments, Tool

__all__ = ["CommandTools", "Finished"]

_SHELL: Final = "/bin/sh"
# Seconds after its own limit in which a command is killed and its result is sent.
_GRACE: Final = 10.0
_WORDS: Final = {"limit": "timeout", "guard ended": "guard"}

Canonical: TypeAlias = "Callable[[Arguments, Mapping[str, Place], Collection[str]], Arguments]"
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Finished(msgspec.Struct, rename="camel", omit_defaults=True):
    """What ``exec`` and ``shell`` give, once nothing of the command is left.

    Attributes:
        exit_status: as a shell has it: for a signal its number and 128.
        seconds: how long the command ran.
        stdout: how many bytes it wrote to its output.
        stderr: how many to its error output.
        signal: the name of the signal that ended it; absent where none did.
        killed: why its node killed it: "timeout", or "guard" where somebody ended its guard;
            absent where it was not.
    """

    exit_status: int
    seconds: float
    stdout: int
    stderr: int
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
        deadline, at_once = float(config.timeout) + _GRACE, config.at_once
        return (
            tool(
                self.exec,
                canonical=partial(self._canonical, canonical_exec),
                deadline=deadline,
                at_once=at_once,
            ),
            tool(
                self.shell,
                canonical=partial(self._canonical, canonical_shell),
                deadline=deadline,
                at_once=at_once,
            ),
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
            argv: The program, by its name or path, and its arguments.
            cwd: The folder that it starts in, as ROOT/relative; the root where there is only one.
            env: Variables to set, of those that the node takes from callers.
            stdin: Its input.
            timeout: How many seconds it may take.
        """
        return await self._run(call, argv, cwd, env, stdin, timeout)

    async def shell(
        self,
        call: ToolCall,
        command: str,
        cwd: str = "",
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        timeout: Seconds | None = None,
    ) -> Finished:
        """Run a command line of the shell sh, with pipes, variables and all else that it knows.

        Args:
            command: The command line.
            cwd: The folder that it starts in, as ROOT/relative; the root where there is only one.
            env: Variables to set, of those that the node takes from callers.
            stdin: Its input.
            timeout: How many seconds it may take.
        """
        return await self._run(call, [_SHELL, "-c", command], cwd, env, stdin, timeout)

    def _canonical(self, canonical: Canonical, arguments: Arguments) -> Arguments:
        jobs = self._jobs()
        return canonical(arguments, jobs.roots.look(), jobs.config.accept_env)

    async def _run(
        self,
        call: ToolCall,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str] | None,
        stdin: str | None,
        timeout: float | None,
    ) -> Finished:
        has_input = stdin is not None
        folder = RootPath.parse(cwd)
        job = await self._jobs().make(argv, folder, env=env, stdin=has_input, timeout=timeout)

        async def output(name: str, data: bytes) -> None:
            await call.write(data, stderr=name == "stderr")

        try:
            ended = await run_command(self._guards, job, output, stdin=(stdin or "").encode())
        except NotStarted as error:
            raise self._refusal(error, argv, cwd) from None
        except GuardLost as error:
            self._log.error("%s for %s: %s", call.tool, call.peer, error)
            raise ToolError(f"{error}: how it ended is not known", "guard_lost") from None
        return _finished(ended)

    def _refusal(self, error: NotStarted, argv: Sequence[str], cwd: str) -> ToolError:
        if error.part == "cwd":
            return ToolError(f"{cwd}: {error}", "not_found")
        if error.part == "start":
            return ToolError(f"{argv[0]} cannot be started: {error}", "not_started")
        self._log.error("no command runs in %s: %s: %s", cwd, error.part, error)
        words = f"{cwd}: this node cannot hold commands in there; its `clawmatrix doctor` says why"
        return ToolError(words, "not_confined")


def _finished(ended: Ended) -> Finished:
    number = ended.signal
    name = None if number is None else signals.Signals(number).name
    return Finished(
        exit_status=(ended.exit or 0) if number is None else 128 + number,
        seconds=round(ended.seconds, 3),
        stdout=ended.stdout,
        stderr=ended.stderr,
        signal=name,
        killed=_WORDS.get(ended.by),
    )
