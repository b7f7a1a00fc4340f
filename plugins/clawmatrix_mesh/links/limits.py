"""The times and sizes of links, in one place so that tests can shorten them."""

from __future__ import annotations

import msgspec

from clawmatrix_core import Bound

__all__ = ["HELLO_LIMIT", "UNPROVED", "LinkLimits"]

HELLO_LIMIT = Bound(
    128 * 1024,
    "bytes read of a connection as its hello, once its Noise messages are done",
    fed_by="a stranger",
    when_full="the connection is closed",
)
"""The most, too, that each message of a handshake may have, and the first one after it."""
UNPROVED = Bound(
    64,
    "connections in a handshake at the same time",
    fed_by="a stranger",
    when_full="the oldest of the source that has the most is closed",
)


class LinkLimits(msgspec.Struct, frozen=True):
    """Times in seconds.

    Attributes:
        handshake: how long the other end has to prove itself.
        unproved: connections that may be in a handshake at the same time.
        ping: how long an older link has to answer, where a new connection could replace it.
        backoff: wait before the first new dial after a failure; it doubles with each one.
        backoff_most: the longest wait between dials.
        steady: how long a link must have held for the back-off to start anew.
        twin_wait: wait before the next dial, where another running copy has the link.
        self_wait: the same, where the address is the node's own.
        recheck: how long an address is taken to lead to a node that has a link by other ways.
        drain: how long a link may take nothing before it is closed.
        frames: frames in a second that are read from one link.
        bytes: bytes in a second that are read from one link.
        direct_look: wait between looks for nodes to reach directly instead of over a relay.
        direct_gap: wait before the next try to reach one directly; it doubles with each
            failure.
        direct_gap_most: the longest of these waits.
        direct_tries: nodes that are tried at the same time.
        direct_most: direct links that this node makes of its own accord.
        certificate: wait between looks whether the files of the certificate have changed.
        introductions: wait between two questions to an introducer.
    """

    handshake: float = 10.0
    unproved: int = UNPROVED
    ping: float = 2.0
    backoff: float = 0.5
    backoff_most: float = 60.0
    steady: float = 10.0
    twin_wait: float = 60.0
    self_wait: float = 600.0
    recheck: float = 300.0
    drain: float = 10.0
    frames: int = 400_000
    bytes: int = 8 * 1024**3
    direct_look: float = 2.0
    direct_gap: float = 60.0
    direct_gap_most: float = 1800.0
    direct_tries: int = 4
    direct_most: int = 32
    certificate: float = 60.0
    introductions: float = 60.0
