"""Work that goes on only while it is allowed: it is asked about again when the policy changes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.errors import Revoked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.policy.verdict import Action, Verdict

__all__ = ["Asked", "Standing", "Standings"]

Decide: TypeAlias = "Callable[[Asked], Awaitable[Verdict]]"

REST = 0.1
"""Seconds between two rounds of questions: a member can cause changes without an end."""

_log = logging.getLogger("clawmatrix.policy")


@attrs.frozen
class Asked:
    """A question about running work, as ``Node.authorize`` takes it.

    Attributes:
        peer: the name of the other node, or ``LOCAL``.
        key: its key as text, None for ``LOCAL``.
        action, target, arguments: what runs.
    """

    peer: str
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None = attrs.field(repr=False)


class Standings:
    """The work of a node that is asked about again, and the callbacks for changes of its policy."""

    def __init__(self, decide: Decide) -> None:
        """Make one; ``decide`` answers a question and raises nothing."""
        self.mark = 0
        self._decide = decide
        self._bell = Bell()
        self._standing: set[Standing] = set()
        self._callbacks: list[Callable[[str], None]] = []

    def __len__(self) -> int:
        return len(self._standing)

    def begin(self, asked: Asked, *, approved: bool) -> Standing:
        """Return a standing to enter; see ``Node.standing``."""
        return Standing(asked, self, self._decide, approved=approved)

    def when_changed(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Have something called after each change; return a function that ends that."""
        self._callbacks.append(call)

        def unsubscribe() -> None:
            if call in self._callbacks:
                self._callbacks.remove(call)

        return unsubscribe

    def changed(self, why: str) -> None:
        """Have all work asked about again, and call back whoever wants to know."""
        self.mark += 1
        self._bell.ring()
        for call in tuple(self._callbacks):
            try:
                call(why)
            except Exception:  # noqa: BLE001 - the others are called all the same
                _log.exception("a callback for a change of the policy failed")

    def keep_key(self, peer: str, key: str | None) -> None:
        """End the work for a name under any other key than this one; None: all of its work."""
        for standing in tuple(self._standing):
            if standing.asked.peer == peer and standing.asked.key != key:
                standing.revoke(f"{peer} has another key now")
        self.changed(f"{peer} has another key")

    def expel(self, key: str) -> None:
        """End the work for a key that was revoked."""
        for standing in tuple(self._standing):
            if standing.asked.key == key:
                standing.revoke(f"the key of {standing.asked.peer} was revoked")
        self.changed("a key was revoked")

    async def run(self) -> None:
        """Ask again after each change, until cancelled."""
        seen = -1
        async with anyio.create_task_group() as tasks:
            while True:
                if seen == self.mark:
                    await self._bell.wait()
                seen = self.mark
                for standing in tuple(self._standing):
                    tasks.start_soon(standing.ask)
                await anyio.sleep(REST)

    def add(self, standing: Standing) -> None:
        """Keep a standing that was entered."""
        self._standing.add(standing)

    def discard(self, standing: Standing) -> None:
        """Forget a standing that was left."""
        self._standing.discard(standing)


class Standing:
    """Runs its block while the answer to its question is a yes: ``async with``.

    It asks as it is entered, so no change between an earlier answer and the block is missed,
    and again after each change of the policy. A no cancels the block, and ``Revoked`` is raised
    in its place.

    Attributes:
        asked: the question.
        why: why the work was ended, None while it may go on.
    """

    def __init__(
        self, asked: Asked, standings: Standings, decide: Decide, *, approved: bool
    ) -> None:
        self.asked = asked
        self._standings, self._decide = standings, decide
        self._good = ("allow", "ask") if approved else ("allow",)
        self._scope = anyio.CancelScope()
        self._answered = -1
        self._asking = False
        self.why: str | None = None

    def __repr__(self) -> str:
        state = "allowed" if self.why is None else f"revoked: {self.why}"
        return f"<Standing {self.asked.action} {self.asked.target} for {self.asked.peer}, {state}>"

    async def __aenter__(self) -> Self:
        self._standings.add(self)
        try:
            await self.ask()
            if self.why is not None:
                raise Revoked(self.why)
        except BaseException:
            self._standings.discard(self)
            raise
        self._scope.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._standings.discard(self)
        caught = bool(self._scope.__exit__(kind, error, trace))
        if caught and self.why is not None:
            raise Revoked(self.why)
        return caught

    async def ask(self) -> None:
        """Ask whether the work may go on, until the answer is as new as the policy."""
        if self._asking:
            return  # whoever asks now sees that the policy changed meanwhile
        self._asking = True
        try:
            while self._answered != self._standings.mark and self.why is None:
                self._answered = self._standings.mark
                verdict = await self._decide(self.asked)
                if verdict.effect not in self._good:
                    self.revoke(verdict.reason)
        finally:
            self._asking = False

    def revoke(self, why: str) -> None:
        """End the work."""
        if self.why is None:
            self.why = why
            self._scope.cancel()
