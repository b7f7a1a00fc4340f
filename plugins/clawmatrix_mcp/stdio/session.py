"""The session of a client that speaks a revision before 2026-07-28.

The node may restart in the middle of it. Its new process knows no session, so another is opened
with the words that the client used, and the client is told to look at its lists again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import httpx2
import msgspec

from clawmatrix_mcp.stdio.answers import answer_of, is_stream, messages_of
from clawmatrix_mcp.stdio.endpoint import lost
from clawmatrix_mcp.stdio.failures import Failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_mcp.stdio.endpoint import Endpoint
    from clawmatrix_mcp.stdio.message import Message

__all__ = ["Session"]

_INITIALIZED: Final = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
_LISTS: Final = ("tools", "resources", "prompts")
_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_WAITS: Final = 3600.0


class _Result(msgspec.Struct):
    protocol_version: str = msgspec.field(name="protocolVersion", default="")
    capabilities: dict[str, Any] = {}


@attrs.frozen
class _Opened:
    id: str
    version: str
    lists: tuple[str, ...]


class Session:
    """A session at the node, opened again when the node has forgotten it."""

    def __init__(
        self,
        endpoint: Endpoint,
        give: Callable[[bytes], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        """Make one; ``give`` takes lines for the client, ``tell`` words for a person."""
        self._endpoint = endpoint
        self._give = give
        self._tell = tell
        self._opening: bytes | None = None
        self._opened: _Opened | None = None
        self._lock = anyio.Lock()

    @property
    def headers(self) -> dict[str, str]:
        """What messages of the session carry; nothing before it is open."""
        if self._opened is None:
            return {}
        found = {"mcp-session-id": self._opened.id} if self._opened.id else {}
        if self._opened.version:
            found["mcp-protocol-version"] = self._opened.version
        return found

    @property
    def is_open(self) -> bool:
        """Whether the node has answered ``initialize``."""
        return self._opened is not None

    def begins(self, message: Message) -> None:
        """Note a client's ``initialize``."""
        self._opening, self._opened = message.line, None

    def opened(self, response: httpx2.Response, answer: Message) -> None:
        """Note the node's answer to ``initialize``, which may be an error."""
        self._opened = _read_opened(response, answer)

    async def reopen(self, forgotten: dict[str, str]) -> None:
        """Open the session again, once for all who found it forgotten. Raises: Failed."""
        async with self._lock:
            if self._opening is None or self.headers != forgotten:
                return
            before = self._opened
            async with self._endpoint.ask("POST", self._opening, {}) as response:
                self._opened = await self._answered(response)
            if before is not None and self._opened.version != before.version:
                self._tell(
                    f"the node speaks revision {self._opened.version!r} since it restarted, and"
                    f" {before.version!r} before: start the client again if calls fail"
                )
            async with self._endpoint.ask("POST", _INITIALIZED, self.headers):
                pass
        for name in self._opened.lists:
            notice = {"jsonrpc": "2.0", "method": f"notifications/{name}/list_changed"}
            await self._give(msgspec.json.encode(notice))

    async def listen(self) -> None:
        """Pass on what the node says unasked, for as long as the program runs."""
        pause = _PAUSE
        while True:
            try:
                if not await self._listen_once():
                    return
                pause = _PAUSE
            except (Failed, httpx2.HTTPError):
                pause = min(2 * pause, _LONGEST_PAUSE)
            await anyio.sleep(pause)

    async def close(self) -> None:
        """Tell the node that the session is over. Raises: Failed."""
        if "mcp-session-id" in self.headers:
            async with self._endpoint.ask("DELETE", None, self.headers, patience=0):
                pass

    async def _listen_once(self) -> bool:
        """Pass on one stream to its end; say whether another is worth a try."""
        headers = self.headers
        async with self._endpoint.ask("GET", None, headers, patience=_WAITS) as response:
            forgotten = response.status_code == httpx2.codes.NOT_FOUND
            if response.status_code == httpx2.codes.METHOD_NOT_ALLOWED:
                return False
            if is_stream(response):
                async for message in messages_of(response):
                    await self._give(message.line)
            elif not forgotten:
                raise Failed("refused", f"status {response.status_code}")
        if forgotten:
            await self.reopen(headers)
        return True

    async def _answered(self, response: httpx2.Response) -> _Opened:
        if not is_stream(response):
            return _read_opened(response, await answer_of(response, msgspec.Raw(b"null"))) or _no()
        async for message in messages_of(response):
            if message.is_answer:
                return _read_opened(response, message) or _no()
        raise lost(ConnectionError())


def _read_opened(response: httpx2.Response, answer: Message) -> _Opened | None:
    if answer.result is None:
        return None
    try:
        result = msgspec.json.decode(answer.result, type=_Result)
    except msgspec.DecodeError:
        result = _Result()
    has = {name: result.capabilities.get(name) for name in _LISTS}
    lists = [name for name, can in has.items() if isinstance(can, dict) and can.get("listChanged")]
    id_ = response.headers.get("mcp-session-id", "")
    return _Opened(id_, result.protocol_version, tuple(lists))


def _no() -> _Opened:
    raise Failed("no_session", "the node opens no session again: start the client again")
