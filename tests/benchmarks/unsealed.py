"""``clawmatrix`` with the seal taken out, for the benchmark of what the seal costs.

``python -m tests.benchmarks.unsealed run -c FILE``

The product has no such switch. Here, and nowhere else, the two methods that seal and open are
replaced: bodies keep their size, their session and their counter, and travel readable and
unproved. Such a node talks to others of its kind only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.sessions.session import SEAL_OVERHEAD, Session

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["take_the_seal_out"]

_HEAD = 16
_TAG = bytes(SEAL_OVERHEAD - _HEAD)


def _seal(self: Session, line: bytes, plaintext: bytes) -> bytes:
    counter = self._counter
    self._counter = counter + 1
    self.sealed_bytes += len(plaintext)
    return b"".join((self.id, counter.to_bytes(8, "big"), plaintext, _TAG))


def _open(self: Session, line: bytes, body: bytes) -> bytes:
    # The counter is noted, so that the session counts as used; nothing is checked by it.
    self.window.highest = int.from_bytes(body[8:_HEAD], "big")
    return body[_HEAD : -len(_TAG)]


def take_the_seal_out() -> None:
    """Have all sessions of this process seal nothing."""
    replaced: dict[str, Callable[..., bytes]] = {"seal": _seal, "open": _open}
    for name, method in replaced.items():
        setattr(Session, name, method)


if __name__ == "__main__":
    from clawmatrix_core.cli.shell import main

    take_the_seal_out()
    main()
