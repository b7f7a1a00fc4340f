"""The guard of one command: it starts it, watches it, and leaves nothing of it behind.

A node holds the other ends of its pipes. Standard input brings the job, and before it what a spare
guard prepares; its end says that the command is no longer wanted or the node is gone. Standard
output takes what there is to tell. The command's own input, output and error output come as
descriptors 3, 4 and 5.
"""

from __future__ import annotations

import contextlib
import os
import sys

from clawmatrix_tool_proxy.exec.guarding.framing import Message, pack
from clawmatrix_tool_proxy.exec.guarding.orders import Orders
from clawmatrix_tool_proxy.exec.guarding.running import Command

if sys.platform == "linux":
    from clawmatrix_tool_proxy.exec.guarding.privileges import become_subreaper, hide_from_others

__all__ = ["main"]

_ORDERS, _WORDS = 0, 1


def main() -> int:
    """Run one command and tell of its end. Return the guard's exit status."""
    with contextlib.suppress(OSError):
        os.setsid()  # signals to the node's terminal are not for the guard
    os.chdir("/")
    if sys.platform == "linux":
        become_subreaper()
        hide_from_others()
    orders = Orders(_ORDERS)
    message = orders.first()
    with Command() as command:
        if message is not None and "prepare" in message:
            command.prepare(**message["prepare"])
            message = orders.first()
        if message is not None:  # else the node is gone, or has no use for a spare guard
            _tell(command.run(message, orders))
    return 0


def _tell(message: Message) -> None:
    with contextlib.suppress(BrokenPipeError):  # the node is gone
        os.write(_WORDS, pack(message))
