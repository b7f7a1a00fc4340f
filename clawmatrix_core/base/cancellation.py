"""Telling a cancellation of the node's own from one that foreign code let out."""

from __future__ import annotations

import asyncio

__all__ = ["StrayCancellation", "stray"]


class StrayCancellation(RuntimeError):
    """Code was cancelled by something that it started itself, and did not catch that."""

    def __init__(self) -> None:
        super().__init__("let out the cancellation of something that it awaited")


def stray(error: BaseException) -> StrayCancellation | None:
    """Return the fault that an exception stands for where nobody asked this task to be cancelled.

    On asyncio, code that awaits a task which was cancelled gets that task's ``CancelledError``,
    and everything above would take it for its own. On trio only a cancel scope can cancel.
    Returns None for every other exception, which is to be raised again.
    """
    if not isinstance(error, asyncio.CancelledError):
        return None
    task = asyncio.current_task()
    return StrayCancellation() if task is not None and task.cancelling() == 0 else None
