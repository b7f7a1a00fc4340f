"""Telling a cancellation of the node's own from one that foreign code let out."""

from __future__ import annotations

import asyncio

__all__ = ["StrayCancellation", "is_stray"]


class StrayCancellation(RuntimeError):
    """Code was cancelled by something that it started itself, and did not catch that."""

    def __init__(self) -> None:
        super().__init__("let out the cancellation of something that it awaited")


def is_stray(error: BaseException) -> bool:
    """Say whether an exception is a cancellation that nobody asked of this task.

    On asyncio, code that awaits a task which was cancelled gets that task's ``CancelledError``,
    and everything above would take it for its own. On trio only a cancel scope can cancel.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0
