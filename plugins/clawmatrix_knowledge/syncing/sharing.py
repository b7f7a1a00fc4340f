"""Shares workspaces: dials the peers of each, answers those that dial, keeps the indexes alike.

Either end may dial. Where both do, the exchange stays that the node with the lower name opened.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_core import (
    AuditFailed,
    AuditRecord,
    ExchangeError,
    ExchangeFailure,
    Lane,
    NodeId,
    Revoked,
    key_text,
)
from clawmatrix_knowledge.contents.fetching import Source
from clawmatrix_knowledge.frame_types import SYNC
from clawmatrix_knowledge.index.index import IndexBroken, Refused, ShareLost
from clawmatrix_knowledge.shares import ANYBODY, Doorkeeper, names
from clawmatrix_knowledge.syncing.slots import PeerStatus, Slot
from clawmatrix_knowledge.syncing.talking import Conversation
from clawmatrix_knowledge.syncing.wire import (
    BadMessage,
    Numbers,
    Opening,
    check_numbers,
    own_numbers,
    read_numbers,
    read_opening,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import Exchange, Node, PluginScope
    from clawmatrix_knowledge.shares import Shares
    from clawmatrix_knowledge.syncing.stops import Stops
    from clawmatrix_knowledge.versions import Version

__all__ = ["Sharing"]

_AGREED: Final = 20.0
"""Seconds that a peer has for its answer to an opening."""


class Sharing:
    """The shares of all workspaces of a node.

    Args:
        node: the node.
        scope: runs what dials.
        stops: the peers that were stopped.
        numbers: the format and the rules of this node; for tests.

    Attributes:
        door: decides who may have what.
    """

    def __init__(
        self, node: Node, scope: PluginScope, stops: Stops, numbers: Numbers | None = None
    ) -> None:
        self._node, self._scope, self._stops = node, scope, stops
        self._numbers = numbers or own_numbers()
        self._shares: dict[str, Shares] = {}
        self._slots: dict[tuple[str, str], Slot] = {}
        self.door = Doorkeeper(node, self._shares.get)
        self._unsubscribe: Callable[[], None] | None = None

    def add(self, shares: Shares) -> None:
        """Share a workspace, with those that its ``peers`` are."""
        self._shares[shares.name] = shares
        if self._unsubscribe is None:
            self._unsubscribe = self._node.when_policy_changes(lambda _: self.look())
        self.look()

    def remove(self, name: str) -> None:
        """Share a workspace no more."""
        self._shares.pop(name, None)
        for key in [key for key in self._slots if key[0] == name]:
            slot = self._slots.pop(key)
            slot.end()
            slot.poke()

    def look(self) -> None:
        """Look at all peers anew: routes, members, grants or ``peers`` have changed."""
        for shares in self._shares.values():
            for peer in self._peers_of(shares):
                self._slot(shares.name, peer)
        for slot in list(self._slots.values()):
            if not self._is_wanted(slot):
                del self._slots[slot.workspace, slot.peer]
                slot.end()
            slot.poke()

    def changed(self, name: str) -> None:
        """Tell the peers of a workspace what its index has now."""
        for slot in self._slots.values():
            if slot.workspace == name and slot.conversation is not None:
                slot.conversation.changed()

    def status(self, name: str) -> Sequence[PeerStatus]:
        """Return how the peers of a workspace share it."""
        found = [slot for slot in self._slots.values() if slot.workspace == name]
        return [slot.status() for slot in sorted(found, key=lambda slot: slot.peer)]

    async def sources(self, name: str) -> Sequence[Source]:
        """Return the peers that share a workspace now, and may."""
        found = []
        for slot in [one for one in self._slots.values() if one.workspace == name]:
            talk = slot.conversation
            if talk is not None and await self.door.may(slot.peer, name) == talk.key:
                found.append(Source(slot.peer, talk.key))
        return sorted(found, key=lambda source: source.peer)

    async def blame(self, name: str, source: Source, why: str) -> None:
        """Stop sharing with a peer that sent wrong bytes."""
        await self.stop(name, source.peer, source.key, why)

    async def stop(self, name: str, peer: str, key: bytes, why: str) -> None:
        """Stop sharing with a peer that is to blame, until a person resumes it."""
        slot = self._slots.get((name, peer))
        try:
            await self._stops.put(name, peer, key, why)
        finally:
            if slot is not None:
                slot.put("stopped", why)
                slot.end()

    async def resume(self, name: str, peer: str) -> bool:
        """Share with a peer again; say whether it was stopped."""
        found = await self._stops.resume(name, peer)
        self.look()
        return found

    # --- answering

    async def answer(self, ex: Exchange) -> None:
        """Answer a peer that dials: the handler of ``know_sync``."""
        opening = read_opening(ex.request)
        async with self.door.admitted(ex, opening.workspace, sharing=False) as shares:
            check_numbers(opening, self._numbers)
            self._check_stop(shares.name, ex)
            slot = self._slot(shares.name, ex.peer)
            if slot.is_crossing and self._node.id < ex.peer:
                raise ExchangeFailure("busy", "this node dials as well, and its name is lower")
            slot.end()
            with self._busy(slot, dialled=False) as scope:
                await ex.send({"format": self._numbers.format, "rules": self._numbers.rules})
                await self._share(ex, shares, slot)
            if scope.cancelled_caught:
                raise ExchangeFailure("ended", "the share was ended, or opened anew")

    def _check_stop(self, name: str, ex: Exchange) -> None:
        if self._stops.get(name, ex.peer, ex.peer_key or b"") is not None:
            raise ExchangeFailure("stopped", "a person there has to resume the share")

    # --- dialling

    async def _dial(self, slot: Slot) -> None:
        """Keep a share with a peer, for as long as that is wanted."""
        while self._is_wanted(slot):
            if not slot.busy:
                await self._attempt(slot)
            await slot.rest()

    async def _attempt(self, slot: Slot) -> None:
        key = await self.door.may(slot.peer, slot.workspace)
        if slot.busy or not self._is_wanted(slot):
            return
        if key is None:
            how = f"`clawmatrix grants add {slot.peer} --workspaces {slot.workspace}`"
            why = "no grant of this node allows it, or its key is not known"
            slot.put("not allowed", f"{why}: {how}")
        elif (stop := self._stops.get(slot.workspace, slot.peer, key)) is not None:
            slot.put("stopped", stop.why)
        elif not self._node.reachable(slot.peer):
            slot.put("unreachable")
        else:
            await self._call(slot, key)

    async def _call(self, slot: Slot, key: bytes) -> None:
        shares = self._shares[slot.workspace]
        own = Opening(shares.name, self._numbers.format, self._numbers.rules)
        payload = {"workspace": own.workspace, "format": own.format, "rules": own.rules}
        try:
            with self._busy(slot, dialled=True):
                async with self._node.exchange(slot.peer, SYNC, payload, lane=Lane.BULK) as ex:
                    with anyio.fail_after(_AGREED):
                        check_numbers(read_numbers(await ex.receive()), self._numbers)
                    if ex.peer_key != key:
                        raise ExchangeFailure("other_key", f"{slot.peer} has another key now")
                    name = shares.name
                    async with self._node.standing(slot.peer, key, "workspace", name, None):
                        await self._share(ex, shares, slot)
        except TimeoutError:
            slot.put("waiting", f"{slot.peer} does not answer")
        except Revoked as error:
            slot.put("not allowed", str(error))
        except ExchangeError as error:
            if slot.state != "stopped":
                slot.put("waiting", _words(error, slot.peer))

    # --- sharing

    async def _share(self, ex: Exchange, shares: Shares, slot: Slot) -> None:
        """Speak with a peer that may have the workspace, and write down that it does."""
        key = ex.peer_key or b""
        await self._write_down(ex, shares.name)

        async def brought(versions: Sequence[Version]) -> None:
            self.changed(shares.name)
            await shares.received(versions)

        talk = slot.conversation = Conversation(ex, shares.index, brought)
        try:
            with self.door.opened(shares.name, key):
                slot.put("open")
                await talk.run()
            slot.put("waiting", f"{ex.peer} ended the share")
        except (Refused, BadMessage) as error:
            await self.stop(shares.name, ex.peer, key, str(error))
            words = "what came does not fit; a person has to resume the share"
            raise ExchangeFailure("refused", words) from None
        except (ShareLost, IndexBroken) as error:
            slot.put("waiting", str(error))
            raise ExchangeFailure("again", "the index there begins anew") from None
        finally:
            if slot.conversation is talk:
                slot.conversation = None

    async def _write_down(self, ex: Exchange, name: str) -> None:
        key = None if ex.peer_key is None else key_text(ex.peer_key)
        record = AuditRecord(
            event="opened",
            id=ex.id,
            peer=NodeId(ex.peer),
            key=key,
            action="workspace",
            target=name,
            caller=ex.initiated,
        )
        try:
            await self._node.audit(record)
        except AuditFailed as error:
            self._node.logger("knowledge").error("%s is not shared: %s", name, error)
            raise ExchangeFailure("not_audited", "it cannot be written down") from None

    @contextmanager
    def _busy(self, slot: Slot, *, dialled: bool) -> Iterator[anyio.CancelScope]:
        with anyio.CancelScope() as scope:
            slot.begin(scope, dialled=dialled)
            try:
                yield scope
            finally:
                slot.freed(scope)

    # --- who is wanted

    def _slot(self, name: str, peer: str) -> Slot:
        slot = self._slots.get((name, peer))
        if slot is None:
            slot = self._slots[name, peer] = Slot(name, peer)
            self._scope.start_soon(self._dial, slot, name=f"share {name} with {peer}")
        return slot

    def _peers_of(self, shares: Shares) -> Sequence[str]:
        named = {peer for peer in shares.peers if peer != ANYBODY}
        if ANYBODY in shares.peers:
            named |= {peer.node_id for peer in self._node.directory.others()}
        return sorted(named - {self._node.id})

    def _is_wanted(self, slot: Slot) -> bool:
        shares, peer = self._shares.get(slot.workspace), slot.peer
        if shares is None or self._slots.get((slot.workspace, peer)) is not slot:
            return False
        known = self._node.directory.get(peer) is not None
        return peer in shares.peers or (known and names(shares, peer))


def _words(error: ExchangeError, peer: str) -> str:
    """Return why a peer does not share, for a person of this node."""
    if isinstance(error, ExchangeFailure) and error.code == "not_allowed":
        return f"`peers` and `[grants]` of {peer} have to let this node have it"
    return str(error)
