"""What is asked of each proxy: each scenario on a process of its own that has just begun."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from clawmatrix_core.spi import stray
from tests.peers_mcp.server import STEPS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractContextManager

    from tests.peers_mcp.peers import Era, Peer

    Begin = Callable[[Path], AbstractContextManager[Peer]]

__all__ = ["SCENARIOS", "Verdict", "play"]

LIMIT: Final = 20.0
"""Seconds that each thing may take."""
_SAYS: Final = re.compile(r"\b(may|might|could) have run|did not run|not run|had begun|mayHaveRun")


@attrs.frozen
class Verdict:
    """Whether a proxy passed, and what was seen."""

    passed: bool
    seen: str


@attrs.frozen
class Asking:
    """A client of a proxy, and the notices of changed lists that came to it."""

    client: Client
    peer: Peer
    changes: list[str]

    async def call(self, tool: str, **more: Any) -> Any:
        """Call a tool."""
        arguments = {"value": "here"} if tool == "echo" else {}
        return await self.client.call_tool(f"{self.peer.prefix}{tool}", arguments, **more)


@asynccontextmanager
async def asking(peer: Peer, era: Era) -> AsyncIterator[Asking]:
    """Open a client once the proxy lists the server's tools."""
    changes: list[str] = []

    async def heard(message: object) -> None:
        method = str(getattr(message, "method", ""))
        if method == "notifications/tools/list_changed":
            changes.append(method)

    async with httpx2.AsyncClient(headers=peer.headers, trust_env=False, timeout=60) as http:
        way = streamable_http_client(peer.url, http_client=http)
        async with Client(way, mode=era, cache=None, message_handler=heard) as client:
            found = Asking(client, peer, changes)
            await until(lambda: _lists(found, "extra"))
            changes.clear()
            yield found


async def _lists(found: Asking, tool: str) -> bool:
    tools = (await found.client.list_tools()).tools
    return f"{found.peer.prefix}{tool}" in [one.name for one in tools]


async def until(holds: Callable[[], Awaitable[bool]], limit: float = LIMIT) -> bool:
    """Wait until something holds; return whether it does within the limit."""
    with anyio.move_on_after(limit):
        while not await holds():  # noqa: ASYNC110 - it has no event
            await anyio.sleep(0.05)
        return True
    return False


async def progress_arrives(found: Asking) -> Verdict:
    """Count the reports that come before the result."""
    seen: list[float] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    with anyio.move_on_after(LIMIT):
        await found.call("steps", progress_callback=told)
    return Verdict(seen == [1, 2, 3], f"{len(seen)} of {STEPS} reports")


async def cancel_arrives(found: Asking) -> Verdict:
    """Give a call up, and look at the server's notes."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(found.call, "wait")
        began = await until(lambda: noted(found, "waits"))
        tasks.cancel_scope.cancel()
    came = began and await until(lambda: noted(found, "cancelled"), 10)
    return Verdict(came, "the server was told" if came else "the server was not told in 10 s")


async def noted(found: Asking, what: str) -> bool:
    """Say whether the server noted something."""
    return bool(found.peer.noted(what))


async def _killed(found: Asking) -> tuple[bool, str]:
    """Kill the server in the middle of a call; return whether that ended, and its error."""
    told: list[str] = []

    async def call() -> None:
        try:
            result = await found.call("wait")
            error = json.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True))
            told.append(error if result.is_error else "")
        except MCPError as error:
            told.append(json.dumps([error.code, error.message, error.data]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await until(lambda: noted(found, "waits"))
        found.peer.kill_servers()
        await until(lambda: _are(told))
        tasks.cancel_scope.cancel()
    return bool(told), told[0] if told else ""


async def _are(things: list[str]) -> bool:
    return bool(things)


async def death_is_told(found: Asking) -> Verdict:
    """Kill the server in the middle of a call, and read the error."""
    ended, error = await _killed(found)
    if not ended:
        return Verdict(False, f"no answer in {LIMIT:g} s")
    says = bool(_SAYS.search(error))
    words = _first_words(error)
    return Verdict(bool(error) and says, words if says else f"{words}: not whether it ran")


def _first_words(error: str) -> str:
    if not error:
        return "an empty result"
    told = json.loads(error)
    text = told[1] if isinstance(told, list) else told["content"][0]["text"]
    return f'"{text}"'.replace("\n", " ")[:160]


async def next_call_works(found: Asking) -> Verdict:
    """Call again, in the same session, after the server was killed in the middle of a call."""
    await _killed(found)
    last = ""

    async def works() -> bool:
        nonlocal last
        try:
            result = await found.call("echo")
        except MCPError as error:
            last = str(error)
            return False
        last = str(result.content[0].text)
        return last == "here"

    passed = await until(works)
    return Verdict(passed, "it does" if passed else f'"{last[:100]}" for {LIMIT:g} s')


async def changes_arrive(found: Asking) -> Verdict:
    """Have the server withdraw a tool, and wait for the notice and for the list."""
    if found.client.protocol_version >= "2026":
        async with found.client.listen(tools_list_changed=True) as events:
            await found.call("change")
            told = False
            with anyio.move_on_after(10):
                async for _ in events:
                    told = True
                    break
    else:
        await found.call("change")
        told = await until(lambda: _are(found.changes), 10)
    right = await until(lambda: _gone(found), 5)
    words = "a notice came" if told else "no notice in 10 s"
    return Verdict(told and right, words if right else f"{words}, the list is the old one")


async def _gone(found: Asking) -> bool:
    return not await _lists(found, "extra")


async def nothing_is_left(found: Asking) -> Verdict:
    """Kill the proxy while a call runs, and look for what its server was and started."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_give_up, found)
        await until(lambda: noted(found, "waits"))
        found.peer.process.kill()
        verdict = await what_is_left(found.peer)
        tasks.cancel_scope.cancel()
    return verdict


async def what_is_left(peer: Peer) -> Verdict:
    """Look for ten seconds whether the servers go, and what they have started."""

    async def none() -> bool:
        return not peer.servers()

    if await until(none, 10):
        return Verdict(True, "nothing")
    left = peer.servers()
    servers = left & {one["server"] for one in peer.noted("started")}
    words = ["the server" if servers else "", "what it had started" if left - servers else ""]
    return Verdict(False, " and ".join(filter(None, words)))


async def _give_up(found: Asking) -> None:
    try:
        await found.call("wait")
    except Exception as error:
        if stray(error) is None:
            raise


SCENARIOS: Final[dict[str, Callable[[Asking], Awaitable[Verdict]]]] = {
    "progress arrives": progress_arrives,
    "a cancel reaches the server": cancel_arrives,
    "killed mid-call: an error that says whether it may have run": death_is_told,
    "the next call works": next_call_works,
    "changes of the list arrive": changes_arrive,
    "left after kill -9 of the proxy: nothing": nothing_is_left,
}


async def play(begin: Begin, scenario: Callable[[Asking], Awaitable[Verdict]], era: Era) -> Verdict:
    """Play a scenario before a proxy that has just begun."""
    with tempfile.TemporaryDirectory(prefix="cmx-peers-") as folder, begin(Path(folder)) as peer:
        seen = Verdict(False, "the client could not ask")
        try:
            async with asking(peer, era) as found:
                seen = await scenario(found)
        except Exception as error:
            if (fault := stray(error)) is None:
                raise
            if scenario is not nothing_is_left:
                return Verdict(False, f"{seen.seen}; {fault!r}"[:200])
            return await what_is_left(peer)  # the client has lost its proxy, as it should
        return seen
