"""A session: the keys that two nodes agreed on, and how bodies are sealed under them.

A sealed body is::

    session id (8 bytes)   counter (8 bytes, big endian)   AES-256-GCM ciphertext and tag

The nonce is four zero bytes and the counter. The header line is the associated data, so
that a body opens only behind the line it was sealed with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clawmatrix_core.base.errors import DecryptError, LocalProtocolError
from clawmatrix_core.wire.codec import encode_header, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.codec import Header

    _Cipher = Callable[[bytes, bytes | memoryview, bytes | None], bytes]

__all__ = [
    "COUNTER_LIMIT",
    "LATE",
    "SEAL_OVERHEAD",
    "WINDOW",
    "ReplayWindow",
    "Session",
    "sealed_session_id",
]

WINDOW = 4096
"""How far behind the highest counter a body may come and still be taken."""
LATE = 30.0
"""Seconds after which a body is too late, where later ones have come; at most twice that."""
COUNTER_LIMIT = 2**60
"""Bodies one session seals at most; its keys must be replaced long before."""

_ID = 8
_HEAD = _ID + 8
_ZEROS = bytes(4)

SEAL_OVERHEAD = _HEAD + 16
"""Bytes by which a sealed body is longer than what is in it."""


def sealed_session_id(body: bytes) -> bytes:
    """Return the id of the session a sealed body belongs to. Raises: DecryptError."""
    if len(body) < SEAL_OVERHEAD:
        raise DecryptError(f"a sealed body of {len(body)} bytes", reason="short")
    return body[:_ID]


class ReplayWindow:
    """Which counters were seen, exactly for the last 4096 and as "too old" before.

    ``_missing`` has a bit for each counter that has not come: bit 0 is the highest seen,
    bit 1 the one before it. Kept that way round, it is 0 as long as nothing is reordered,
    and the usual case costs next to nothing.
    """

    __slots__ = ("_missing", "highest")

    highest: int
    """The highest counter seen; -1 before the first."""

    def __init__(self) -> None:
        self.highest = -1
        self._missing = 0

    def __repr__(self) -> str:
        return f"<ReplayWindow highest {self.highest}, {self._missing.bit_count()} missing>"

    def is_fresh(self, counter: int) -> bool:
        """Return whether the counter is neither seen nor too old."""
        age = self.highest - counter
        return age < 0 or (age < WINDOW and bool(self._missing >> age & 1))

    def add(self, counter: int) -> None:
        """Take a fresh counter in. Only for bodies that authenticated."""
        step = counter - self.highest
        if step <= 0:
            self._missing &= ~(1 << -step)
            return
        self.highest = counter
        if step == 1:
            missing = self._missing << 1
        elif step < WINDOW:
            missing = (self._missing << step) | ((1 << step) - 2)
        else:
            missing = (1 << WINDOW) - 2
        self._missing = missing & _MASK

    def close(self, counter: int) -> None:
        """Take no counter up to this one any more, although it may not have come."""
        self._missing &= (1 << max(0, self.highest - counter)) - 1


_MASK = (1 << WINDOW) - 1


class Session:
    """The transport keys of one pair of nodes, and the counters that go with them.

    Attributes:
        id: 8 bytes that name the session at both ends.
        peer: the node at the other end.
        remote_instance: which run of that node the session was made with.
        peer_key: the Ed25519 key of the record with which the session was opened, 32 bytes. It
            stays what it was, whatever key the peer's name has later.
        created: when, by the clock of the node that holds it.
        window: which counters came in.
        sealed_bytes: how much was sealed.
    """

    __slots__ = (
        "_counter",
        "_decrypt",
        "_encrypt",
        "_mark",
        "_marked_at",
        "created",
        "id",
        "peer",
        "peer_key",
        "remote_instance",
        "sealed_bytes",
        "window",
    )

    def __init__(
        self,
        id: bytes,
        peer: NodeId,
        send_key: bytes,
        receive_key: bytes,
        remote_instance: str,
        created: float,
        peer_key: bytes = b"",
    ) -> None:
        if len(id) != _ID:
            raise LocalProtocolError(f"a session id has {_ID} bytes")
        self.id = id
        self.peer = peer
        self.remote_instance = remote_instance
        self.peer_key = peer_key
        self.created = created
        self.window = ReplayWindow()
        self._encrypt: _Cipher = AESGCM(send_key).encrypt
        self._decrypt: _Cipher = AESGCM(receive_key).decrypt
        self._counter = 0
        self.sealed_bytes = 0
        self._mark, self._marked_at = -1, created

    def __repr__(self) -> str:
        return (
            f"<Session {self.id.hex()} with {self.peer}, {self._counter} sealed,"
            f" highest opened {self.window.highest}>"
        )

    @property
    def sealed(self) -> int:
        """How many bodies were sealed: one of what tells when to replace the keys."""
        return self._counter

    @property
    def usable(self) -> bool:
        """Whether the keys are still here."""
        return self._encrypt is not _dropped

    def tick(self, now: float) -> None:
        """Be done with bodies that are late: whoever held one back can no longer play it.

        What an exchange forgets in the end must not come after that.
        """
        if now - self._marked_at >= LATE:
            self.window.close(self._mark)
            self._mark, self._marked_at = self.window.highest, now

    def drop_keys(self) -> None:
        """Forget the keys: nothing more is sealed or opened, whoever still holds the session."""
        self._encrypt = self._decrypt = _dropped

    def seal(self, line: bytes, plaintext: bytes) -> bytes:
        """Return the sealed body to send behind the header line.

        Raises: LocalProtocolError, when the session is used up.
        """
        counter = self._counter
        if counter >= COUNTER_LIMIT:
            raise LocalProtocolError(f"the session with {self.peer} is used up")
        self._counter = counter + 1
        self.sealed_bytes += len(plaintext)
        place = counter.to_bytes(8, "big")
        return b"".join((self.id, place, self._encrypt(_ZEROS + place, plaintext, line)))

    def seal_frame(self, header: Header, plaintext: bytes) -> bytes:
        """Return the message of a frame with its body sealed. Raises: LocalProtocolError."""
        line = encode_header(header)
        return join(line, self.seal(line, plaintext))

    def open(self, line: bytes, body: bytes) -> bytes:
        """Return what is in a sealed body that came behind the header line.

        Raises: DecryptError, its ``reason`` ``short``, ``replay`` (seen, older than the
            window, or late) or ``forged`` (another key, or line or body changed).
        """
        if len(body) < SEAL_OVERHEAD:
            raise DecryptError(f"a sealed body of {len(body)} bytes", reason="short")
        place = body[_ID:_HEAD]
        counter = int.from_bytes(place, "big")
        if not self.window.is_fresh(counter):
            raise DecryptError(f"a replay of body {counter} from {self.peer}", reason="replay")
        try:
            plaintext = self._decrypt(_ZEROS + place, memoryview(body)[_HEAD:], line)
        except InvalidTag:
            raise DecryptError(
                f"a body from {self.peer} that does not authenticate", reason="forged"
            ) from None
        self.window.add(counter)
        return plaintext


def _dropped(*_: object) -> NoReturn:
    raise LocalProtocolError("the keys of this session were dropped")
