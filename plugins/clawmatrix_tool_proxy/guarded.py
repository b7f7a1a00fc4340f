"""Processes that a plugin keeps running: under a guard, and held in as commands are or not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from clawmatrix_grants.api import DEFAULT_PATH, resolve_program
from clawmatrix_tool_proxy.command_service import jobs_of
from clawmatrix_tool_proxy.exec.lasting import free_job, lasting
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.process import ProcessEnded
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from clawmatrix_core import Config
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.process import GuardedProcess

__all__ = ["run_guarded"]


@asynccontextmanager
async def run_guarded(
    config: Config,
    argv: Sequence[str],
    env: Mapping[str, str],
    folder: str | None,
    *,
    confined: bool,
) -> AsyncIterator[GuardedProcess]:
    """See ``clawmatrix_tool_proxy.api.guarded_process``."""
    try:
        program = await anyio.to_thread.run_sync(
            resolve_program, argv[0], env.get("PATH", DEFAULT_PATH)
        )
        command = [program, *argv[1:]]
        make = _confined if confined else _free
        job = await make(config, command, env, folder)
        process = lasting(job)
    except (LookupError, ValueError, ToolError) as error:
        raise ProcessEnded(str(error)) from None
    async with process as running:
        yield running


async def _confined(
    config: Config, argv: Sequence[str], env: Mapping[str, str], folder: str | None
) -> Job:
    at = None if folder is None else RootPath.parse(folder)
    return await jobs_of(config).make(argv, at, env=env, stdin=True, lasting=True)


async def _free(
    config: Config, argv: Sequence[str], env: Mapping[str, str], folder: str | None
) -> Job:
    home = str(Path.home())
    whole = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "HOME": home, **env}
    return free_job(argv, whole, home if folder is None else folder)
