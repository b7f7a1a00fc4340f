"""The demonstration's calls of tools: some that are granted, one that is not, and the audit."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_model_proxy.demo.node import DemoNode

__all__ = ["make_notes", "show_tools", "tool_tables"]

_NOTE = "Milk, eggs, and a second relay."


def make_notes(folder: Path) -> Path:
    """Make the folder that the office's tools reach, with a file; return it."""
    notes = folder / "notes"
    notes.mkdir()
    (notes / "today.txt").write_text(f"{_NOTE}\n")
    return notes


def tool_tables(notes: Path) -> str:
    """Return the tables of the office's configuration that expose tools and grant one of them."""
    return (
        f'[tool-proxy]\nallow = ["read", "write"]\nroots.notes = {json.dumps(str(notes))}\n'
        '[grants.home]\ntools = ["read"]\nworkspaces = ["agents"]\n'
    )


def show_tools(home: DemoNode, office: DemoNode) -> None:
    """Call two tools of the office from home, and show what the office wrote down of that."""
    click.secho("Tools: the office exposes `read` and `write`, and grants home `read`.", bold=True)
    _accept(home, office)
    _accept(office, home)
    click.echo("Both accepted the key of the other: a grant is for a key, not for a name.\n")
    home.show("call", "office", "read", "--arg", "path=notes/today.txt")
    home.show("call", "office", "write", "--arg", "path=notes/today.txt", "--arg", "text=Nothing.")
    env = home.ask("http.env")
    click.echo("home is asked by an MCP client, the official SDK, which sees what is granted:")
    asyncio.run(_ask_by_mcp(f"{env['baseUrl'].removesuffix('/v1')}/mcp", env["token"]))
    office.show("audit", "tail", "--peer", "home")


async def _ask_by_mcp(url: str, token: str) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        click.echo(f"  tools/list: {', '.join(names)}")
        result = await client.call_tool("office__read", {"path": "notes/today.txt"})
        first = next(block.text for block in result.content if block.type == "text")
        click.echo(f"  tools/call office__read: {first.splitlines()[0]}\n")


def _accept(node: DemoNode, other: DemoNode) -> None:
    """Do what ``clawmatrix trust accept`` does once a person has compared the fingerprints."""
    shown = other.ask("trust.list")["fingerprint"]
    node.ask("trust.accept", node=other.name, fingerprint=shown)
