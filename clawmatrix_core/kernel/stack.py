"""The stack of a node: what a frame passes on its way between a link and a handler.

In::

    Link.run -> Switch.on_message -> Sessions.open -> Switch.deliver
             -> Exchanges.deliver, else the frame hooks of plugins

Out::

    Exchange.send -> Endpoint.write -> Sending.flush -> Switch.transmit
                  -> Ways.next_link, Sessions.sending -> Session.seal -> Link.enqueue
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.kernel.switch import Switch
from clawmatrix_core.sessions.doorkeeper import RATE
from clawmatrix_core.sessions.opening_sender import OpeningSender
from clawmatrix_core.sessions.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.log import RateLimitedLogger
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.kernel.switch import FrameHooks
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.wire.link import Link, LinkSession
    from clawmatrix_core.wire.ways import Ways

__all__ = ["Stack"]


class Stack:
    """Ways, sessions, switch and exchanges of one node, put together.

    Attributes:
        local: the node, as its parts see it.
        ways: the links, and the routes over them.
        openings: sends the frames that open and prove sessions.
        sessions: the keys that bodies are sealed under.
        switch: takes frames in and puts frames on their way.
        exchanges: requests and streams.
    """

    def __init__(
        self,
        local: Local,
        ways: Ways,
        *,
        identity: Identity,
        psks: Callable[[], Sequence[bytes]],
        directory: Directory,
        hooks: FrameHooks,
        log: RateLimitedLogger,
        rekeying: Rekeying | None = None,
        openings: float = RATE,
        limits: ExchangeLimits | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            local: the node.
            ways: where links and routes are kept.
            identity: its keys.
            psks: returns the secrets of the mesh that are in force, the present one first.
            directory: the records of members.
            hooks: takes frames that no exchange waits for.
            log: where refused frames are logged.
            rekeying: for how long, and for how much, keys are good.
            openings: sessions a second that one node may open.
            limits: times and sizes of exchanges.
        """
        self.local = local
        self.ways = ways
        self.openings = OpeningSender(local, self.ways)
        self.sessions = Sessions(
            local,
            identity=identity,
            psks=psks,
            directory=directory,
            carrier=self.openings,
            ready=self._on_session,
            rekeying=rekeying,
            openings=openings,
        )
        self.switch = Switch(local, self.ways, self.sessions, hooks, log, limits)
        self.exchanges = self.switch.exchanges

    def __repr__(self) -> str:
        return f"<Stack of {self.local.node_id}: {self.ways!r}, {self.exchanges!r}>"

    def _on_session(self, new: LinkSession) -> None:
        self.exchanges.lose(new.peer, new.remote_instance, new.peer_key, "restarted")
        # What went out under an earlier session was not understood, if that one was lost.
        self.exchanges.flush(new.peer, again=True)

    def add_link(self, link: Link) -> None:
        """Use a link from now on. The caller has seen to it that there is no other one.

        Raises: LocalProtocolError, where the link brings no Session; the link is not kept.
        """
        self.ways.links[link.peer] = link
        try:
            self.sessions.forget(link.peer, link.instance, link.session.peer_key)
            self.sessions.add_link(link.session)
        except LocalProtocolError:
            self.remove_link(link)
            raise

    def remove_link(self, link: Link) -> None:
        """Use a link no more."""
        if self.ways.links.get(link.peer) is link:
            del self.ways.links[link.peer]
        self.sessions.remove_link(link.session)

    def forget_run(self, peer: NodeId, instance: str, key: bytes) -> None:
        """End what earlier runs of a node had open here, and what is under another key."""
        self.sessions.forget(peer, instance, key)
        self.exchanges.lose(peer, instance, key, "restarted")

    def keep_key(self, peer: NodeId, key: bytes | None) -> None:
        """End what a node has open under any other key than this; None: all of it."""
        self.sessions.keep_key(peer, key)
        self.exchanges.keep_key(peer, key)

    def expel(self, peer: NodeId) -> None:
        """End all sessions and exchanges with a node."""
        self.sessions.drop(peer)
        self.exchanges.lose(peer, "", None, "was revoked")
