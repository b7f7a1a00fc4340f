"""The process of a document: it answers one request after the other, under a limit of memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, BinaryIO, Final

from clawmatrix_knowledge.index.handle import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEAD", "MEMORY", "main"]

HEAD: Final = 8
"""Bytes of the length before each request and reply."""
MEMORY: Final = 2 * 1024**3
"""Bytes of address space. The gate is what keeps memory small; this is for what it overlooks."""
_PDEATHSIG: Final = 1


def main() -> None:
    """Answer what comes in at descriptor 0 at descriptor 1, until it ends."""
    _limit()
    orders, words = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the replies
    handler = Handler()
    for request in _requests(orders):
        reply = handler.handle(request)
        words.write(len(reply).to_bytes(HEAD, "big") + reply)
        words.flush()


def _requests(orders: BinaryIO) -> Iterator[bytes]:
    while len(head := orders.read(HEAD)) == HEAD:
        size = int.from_bytes(head, "big")
        request = orders.read(size)
        if len(request) < size:
            return
        yield request


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node ends this process
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
