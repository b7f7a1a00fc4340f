"""The sessions of clients that speak versions of MCP before 2026-07-28."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import attrs

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SESSIONS", "Sessions", "Told"]

SESSIONS = Bound(
    256,
    "sessions of MCP clients",
    fed_by="a client",
    when_full="the one that was idle for longest is ended; where each waits for an answer, one more"
    " is refused with status 503",
)
IDLE: Final = 1800.0
"""Seconds after which a session that nobody uses ends."""
_SETTLED: Final = 3
"""Requests after which a session was used: opening one takes two."""


class Told(Protocol):
    """How a session is told of changes: the SDK's own session is one."""

    async def send_tool_list_changed(self) -> None:
        """Tell that the list of tools changed."""

    async def send_resource_list_changed(self) -> None:
        """Tell that the list of resources changed."""

    async def send_prompt_list_changed(self) -> None:
        """Tell that the list of prompts changed."""


@attrs.define(eq=False)
class _Session:
    used: float
    requests: int = 1
    open: int = 0
    asking: int = 0
    told: Told | None = None


def _rank(session: _Session) -> tuple[bool, bool, float]:
    settled = session.requests >= _SETTLED
    return settled, settled and session.open > 0, session.used


class Sessions:
    """Knows which sessions there are, which are idle, and how each is told of changes."""

    most: Final = SESSIONS
    idle: Final = IDLE

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._opening = 0
        self.ended = 0

    def __len__(self) -> int:
        self._drop_old()
        return len(self._sessions)

    @property
    def full(self) -> bool:
        """Whether one has to go before another can come."""
        return len(self._sessions) + self._opening >= self.most

    def idlest(self) -> str | None:
        """Return the session to end first; None where all wait for an answer.

        One that never asked for anything goes before those of other clients, even if it listens;
        of those that did, one that listens goes last.
        """
        self._drop_old()
        quiet = [(_rank(one), id_) for id_, one in self._sessions.items() if not one.asking]
        return min(quiet)[1] if quiet else None

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Keep room for a session while it is opened."""
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    def opened(self, id_: str) -> None:
        """Note a new session."""
        self._sessions[id_] = _Session(anyio.current_time())

    def gone(self, id_: str) -> None:
        """Note that there is no such session any more."""
        self._sessions.pop(id_, None)

    @contextmanager
    def used(self, id_: str, *, asks: bool) -> Iterator[None]:
        """Note a request of a session, which is in use until it is answered.

        A request that ``asks`` is not one that only listens.
        """
        session = self._sessions.get(id_)
        if session is None:
            yield
            return
        session.requests += asks
        session.open += 1
        session.asking += asks
        session.used = anyio.current_time()
        try:
            yield
        finally:
            session.open -= 1
            session.asking -= asks
            session.used = anyio.current_time()

    def note(self, id_: str, told: Told) -> None:
        """Note how a session is told of changes."""
        if (session := self._sessions.get(id_)) is not None:
            session.told = told

    def told(self) -> Sequence[Told]:
        """Return how each session is told."""
        return [one.told for one in self._sessions.values() if one.told is not None]

    def quiet(self) -> Sequence[str]:
        """Return the sessions that wait for no answer."""
        return [id_ for id_, one in self._sessions.items() if not one.asking]

    def _drop_old(self) -> None:
        before = anyio.current_time() - self.idle
        old = [id_ for id_, one in self._sessions.items() if not one.open and one.used < before]
        for id_ in old:
            del self._sessions[id_]
