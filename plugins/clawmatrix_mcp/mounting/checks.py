"""What ``clawmatrix doctor`` says of mounted servers: how they are, or whether they can start."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from clawmatrix_core import Check, Finding
from clawmatrix_grants.api import DEFAULT_PATH, resolve_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.mounting.mounts import Mounts

__all__ = ["servers_check"]

_NAME: Final = "mcp.servers"


def servers_check(servers: Mapping[str, ServerConfig], mounts: Mounts | None) -> Check:
    """Return what looks at the servers.

    Args:
        servers: the tables of the configuration, by name.
        mounts: the servers as they run; None where the node does not, or has none.
    """

    async def look() -> Sequence[Finding]:
        if mounts is not None:
            return list(_of_running(mounts))
        enabled = {name: one for name, one in servers.items() if one.enabled}
        if not enabled:
            return []
        return await anyio.to_thread.run_sync(lambda: list(_of_tables(enabled)))

    return Check(_NAME, look)


def _of_running(mounts: Mounts) -> Iterator[Finding]:
    for server in mounts.all():
        if server.state.why:
            words = f"the MCP server {server.name} does not run: {server.told()}"
            yield Finding(_NAME, "problem", words, _advice(server.name, server.config))
        elif server.state.word == "ready":
            tools = len(server.tools)
            words = f"the MCP server {server.name} is ready, and has {tools} tools"
            yield Finding(_NAME, "ok", words)
        else:
            yield Finding(_NAME, "ok", f"the MCP server {server.name} starts")


def _advice(name: str, config: ServerConfig) -> str:
    """Return what to do about a server that ended or did not start."""
    if config.url is not None:
        return f"see whether it runs, and whether [mcp.servers.{name}] url and headers are right"
    if _missing(config) is not None:
        return _install(name)
    log = f"the log of the node has what {name} wrote to its error output"
    if not config.confine:
        return log
    return (
        f"{log}; it is confined, and reads no file outside of system folders, roots and"
        " [tool-proxy.exec] readable: add the folders of its program and its files there, and"
        f" restart the node, or write confine = false into [mcp.servers.{name}]"
    )


def _install(name: str) -> str:
    return (
        f"install it, or write its whole path into [mcp.servers.{name}] command, or the folders"
        " to look in into env = {PATH = ...}"
    )


def _of_tables(servers: Mapping[str, ServerConfig]) -> Iterator[Finding]:
    if find_spec("mcp") is None:
        advice = "pip install 'clawmatrix[mcp]'"
        yield Finding(_NAME, "problem", "MCP servers need the extra mcp", advice)
    for name, server in servers.items():
        if server.url is None and (why := _missing(server)) is not None:
            words = f"the MCP server {name} cannot start: {why}"
            yield Finding(_NAME, "problem", words, _install(name))
        else:
            yield Finding(_NAME, "ok", f"the MCP server {name} can be started")


def _missing(server: ServerConfig) -> str | None:
    try:
        resolve_program(server.argv[0], server.env.get("PATH", DEFAULT_PATH))
    except (LookupError, ValueError) as error:
        return str(error)
    return None
