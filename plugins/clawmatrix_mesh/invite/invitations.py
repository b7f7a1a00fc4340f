"""The invitations that a node made: each is good once, and for a time. No I/O but the state.

What can be used is kept with its key. Of what was used or is too old, only that much is kept
for a week as is needed to say so; the key is gone.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core import Bound, LocalProtocolError, StateError
from clawmatrix_core.spi import HandshakeError
from clawmatrix_mesh.invite.psk import invitation_psk

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import State

__all__ = ["INVITATIONS", "Invitation", "Invitations"]

INVITATIONS = "invitations"
"""The file in the state folder."""
OPEN_MOST = Bound(
    64,
    "invitations that are open at the same time",
    fed_by="a client",
    when_full="another one is refused",
)
REMEMBERED = Bound(
    256,
    "invitations that are over and still told apart from those that never were",
    fed_by="a client",
    when_full="the oldest is forgotten",
)
REMEMBERED_FOR = 7 * 24 * 3600.0

_ID = 8
_SECRET = 32


@attrs.frozen
class Invitation:
    """One invitation. Times are in seconds since 1970.

    Attributes:
        id: 16 hexadecimal digits.
        key: what goes into its handshake, in base64; empty once it is over.
        used_by: the name of the node that joined by it.
        name: the one name that can be joined under by it; None for any.
    """

    id: str
    key: str = attrs.field(repr=False)
    made: float
    expires: float
    used_by: str | None = None
    used_at: float | None = None
    name: str | None = None

    def status(self, now: float) -> str:
        """Return ``open``, ``used`` or ``expired``."""
        if self.used_by is not None:
            return "used"
        return "open" if self.key and now < self.expires else "expired"


class Invitations:
    """The invitations of one node; each change is on disk before the call returns.

    Raises: StateError, where what is stored cannot be used.
    """

    def __init__(
        self,
        state: State,
        *,
        wall: Callable[[], float],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._state = state
        self._wall = wall
        self._random = random_bytes
        self._by_id = {one.id: one for one in _load(state)}

    def __repr__(self) -> str:
        return f"<Invitations: {len(self._by_id)}>"

    def make(self, lifetime: float, name: str | None = None) -> tuple[Invitation, bytes]:
        """Make one that is good for so many seconds; return it, and its secret.

        With a name, only a node of that name can use it. The secret is nowhere else.
        Raises: LocalProtocolError, where too many are open; StateError.
        """
        self._tidy()
        now = self._wall()
        if sum(one.status(now) == "open" for one in self._by_id.values()) >= OPEN_MOST:
            raise LocalProtocolError(f"{OPEN_MOST} invitations are open: revoke some")
        secret = self._random(_SECRET)
        key = base64.b64encode(invitation_psk(secret)).decode()
        made = Invitation(self._random(_ID).hex(), key, now, now + lifetime, name=name)
        self._by_id[made.id] = made
        self._write()
        return made, secret

    def key(self, id_: str) -> bytes:
        """Return the key of one that can be used. Raises: HandshakeError, where it cannot."""
        one = self._by_id.get(id_)
        status = "unknown" if one is None else one.status(self._wall())
        if one is None or status != "open":
            told = {
                "unknown": "an invitation that this node does not know",
                "used": f"an invitation that was used by {one and one.used_by}",
                "expired": "an invitation that is too old",
            }
            raise HandshakeError(told[status], reason=f"invite_{status}")
        return base64.b64decode(one.key)

    def check(self, id_: str, node_id: str) -> Invitation:
        """Return one that a node of that name can use. Raises: HandshakeError, where it cannot."""
        self.key(id_)
        one = self._by_id[id_]
        if one.name not in (None, node_id):
            told = f"{node_id} comes with an invitation that was made for {one.name}"
            raise HandshakeError(told, reason="invite_name")
        return one

    def spend(self, id_: str, node_id: str) -> None:
        """Use one, for good. Raises: HandshakeError, where it cannot be used; StateError."""
        self.check(id_, node_id)
        # Used from here on, even if the disk does not take it.
        now, one = self._wall(), self._by_id[id_]
        self._by_id[id_] = attrs.evolve(one, key="", used_by=node_id, used_at=now)
        self._tidy()
        self._write()

    def revoke(self, id_: str) -> bool:
        """Take one back; False where none with that id is open. Raises: StateError."""
        one = self._by_id.get(id_)
        if one is None or one.status(self._wall()) != "open":
            return False
        del self._by_id[id_]
        self._write()
        return True

    def all(self) -> list[tuple[Invitation, str]]:
        """Return what is kept with its status, the latest made last."""
        now = self._wall()
        return [(one, one.status(now)) for one in self._by_id.values()]

    def tidy(self) -> None:
        """Let go of what is too old; call it now and then. Raises: StateError."""
        before = dict(self._by_id)
        self._tidy()
        if self._by_id != before:
            self._write()

    def _tidy(self) -> None:
        """Drop the keys of what is too old, and forget what has been over for long."""
        now = self._wall()
        over = []
        for one in list(self._by_id.values()):
            if one.status(now) == "open":
                continue
            self._by_id[one.id] = attrs.evolve(one, key="")
            if now - (one.used_at or one.expires) > REMEMBERED_FOR:
                del self._by_id[one.id]
            else:
                over.append(one.id)
        for id_ in over[: max(0, len(over) - REMEMBERED)]:
            del self._by_id[id_]

    def _write(self) -> None:
        self._state.write(INVITATIONS, list(self._by_id.values()))


def _load(state: State) -> list[Invitation]:
    stored = state.read(INVITATIONS)
    try:
        found = msgspec.convert([] if stored is None else stored, list[Invitation])
        if any(len(base64.b64decode(one.key, validate=True)) not in (0, 32) for one in found):
            raise ValueError
    except (msgspec.ValidationError, ValueError):
        told = f"{state.locate(INVITATIONS)} is damaged: no invitations in it"
        raise StateError(f"{told}; remove it, and invite again") from None
    return found
