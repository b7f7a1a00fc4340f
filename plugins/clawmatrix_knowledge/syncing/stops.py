"""Peers whose share of a workspace was stopped, until a person resumes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Stop", "Stops"]

_WHY: Final = 400


class Stop(msgspec.Struct, frozen=True):
    """Says that nothing of a workspace is sent to a peer, or taken from it.

    Attributes:
        workspace: the workspace.
        peer: the name of the peer.
        key: its key, hexadecimal.
        why: what it did, in words.
        time: when, seconds since 1970.
    """

    workspace: str
    peer: str
    key: str
    why: str
    time: int


class Stops:
    """The peers that were stopped. What is noted outlives restarts.

    Args:
        data: what was stored, empty where nothing was.
        save: stores the whole of it.
        now: returns seconds since 1970.
    """

    def __init__(
        self, data: bytes, save: Callable[[bytes], Awaitable[object]], now: Callable[[], float]
    ) -> None:
        self._save, self._now = save, now
        self._all: list[Stop] = msgspec.json.decode(data, type=list[Stop]) if data else []

    def all(self, workspace: str | None = None) -> Sequence[Stop]:
        """Return those of one workspace, or of all."""
        return [one for one in self._all if workspace in (None, one.workspace)]

    def get(self, workspace: str, peer: str, key: bytes) -> Stop | None:
        """Return why a peer was stopped, by its name or by its key; None where it was not."""
        for one in self.all(workspace):
            if one.peer == peer or one.key == key.hex():
                return one
        return None

    async def put(self, workspace: str, peer: str, key: bytes, why: str) -> None:
        """Stop a peer. Raises: what ``save`` raises; it is stopped all the same."""
        if self.get(workspace, peer, key) is None:
            self._all.append(Stop(workspace, peer, key.hex(), why[:_WHY], int(self._now())))
            await self._save(msgspec.json.encode(self._all))

    async def resume(self, workspace: str, peer: str) -> bool:
        """Let a peer share again; say whether it was stopped."""
        kept = [one for one in self._all if (one.workspace, one.peer) != (workspace, peer)]
        found, self._all = len(kept) < len(self._all), kept
        if found:
            await self._save(msgspec.json.encode(self._all))
        return found
