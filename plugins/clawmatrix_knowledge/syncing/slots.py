"""One peer of one workspace: whether they share now, and what to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
import attrs

from clawmatrix_core.spi import Bell

if TYPE_CHECKING:
    from clawmatrix_knowledge.syncing.talking import Conversation

__all__ = ["PeerStatus", "Slot", "State"]

State: TypeAlias = Literal["unreachable", "not allowed", "waiting", "stopped", "open"]

_LEAST: Final = 0.2
"""Seconds between two attempts in any case: others can cause changes without an end."""
_FIRST: Final = 0.5
_LONGEST: Final = 60.0
_CROSSING: Final = 5.0
"""Seconds in which openings of both ends may cross on the way."""
_LASTS: Final = 10.0
"""Seconds that a share has to last for the next attempt to come soon."""


@attrs.frozen
class PeerStatus:
    """How a peer shares a workspace.

    Attributes:
        peer: its name.
        state: a word; ``waiting`` is between two attempts.
        why: what is in the way, in words.
        sent: bytes of messages of the index that went to it in this share.
    """

    peer: str
    state: State
    why: str
    sent: int


@attrs.define(eq=False)
class Slot:
    """A peer of a workspace.

    Attributes:
        workspace, peer: their names.
        state, why: see PeerStatus.
        conversation: what they say to each other, None while they do not.
        scope: ends the attempt or the share that there is; None where there is none.
        dialled: whether this node opened that.
    """

    workspace: str
    peer: str
    state: State = "waiting"
    why: str = ""
    conversation: Conversation | None = None
    scope: anyio.CancelScope | None = None
    dialled: bool = False
    _delay: float = _FIRST
    _since: float = 0.0
    _mark: int = 0
    _bell: Bell = attrs.field(factory=Bell)

    @property
    def busy(self) -> bool:
        """Whether there is an attempt or a share."""
        return self.scope is not None

    @property
    def is_crossing(self) -> bool:
        """Whether this node has dialled just now, so that the peer may not know of it yet.

        A peer that dials later than that has lost the share, whatever this node thinks of it.
        """
        young = anyio.current_time() - self._since < _CROSSING
        return self.busy and self.dialled and (young or self.conversation is None)

    def poke(self) -> None:
        """Look again soon whether to share."""
        self._delay = _FIRST
        self._mark += 1
        self._bell.ring()

    def put(self, state: State, why: str = "") -> None:
        """Note how it stands."""
        self.state, self.why = state, why

    def begin(self, scope: anyio.CancelScope, *, dialled: bool) -> None:
        """Note an attempt, or a share that the peer opens."""
        self.scope, self.dialled = scope, dialled
        self._since = anyio.current_time()

    def freed(self, scope: anyio.CancelScope) -> None:
        """Note that an attempt or a share is over, unless another one took its place."""
        if self.scope is not scope:
            return
        self.scope = None
        if self.state == "open":
            self.put("waiting", "the share ended")
        if anyio.current_time() - self._since >= _LASTS:
            self._delay = _FIRST
        self._bell.ring()

    def end(self) -> None:
        """End the attempt or the share that there is."""
        if self.scope is not None:
            self.scope.cancel()

    async def rest(self) -> None:
        """Wait until it is time for the next attempt: longer each time, or until poked."""
        while self.busy:
            await self._bell.wait()
        seen, delay = self._mark, self._delay
        self._delay = min(2 * delay, _LONGEST)
        await anyio.sleep(_LEAST)
        with anyio.move_on_after(delay - _LEAST):
            while seen == self._mark:
                await self._bell.wait()

    def status(self) -> PeerStatus:
        """Return how the peer shares."""
        talk = self.conversation
        return PeerStatus(self.peer, self.state, self.why, talk.sent if talk else 0)
