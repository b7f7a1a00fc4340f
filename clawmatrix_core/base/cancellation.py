"""What foreign code lets out beside exceptions: cancellations, and the wish to end the process."""

from __future__ import annotations

import asyncio

import anyio

__all__ = ["EndsProcess", "StrayCancellation", "stray"]


class StrayCancellation(RuntimeError):
    """Code was cancelled by something that it started itself, and did not catch that."""

    def __init__(self) -> None:
        super().__init__("let out the cancellation of something that it awaited")


class EndsProcess(RuntimeError):
    """Code raised SystemExit or KeyboardInterrupt: it means to end the process."""

    def __init__(self, error: BaseException) -> None:
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        super().__init__(f"means to end the process ({what})")


class _Other(RuntimeError):
    """Code raised a BaseException that the loop does not know."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"raised {type(error).__name__}, which is no Exception: {error}")


def stray(error: BaseException, *, called: bool = False) -> Exception | None:
    """Return the fault that an exception stands for where nobody asked this task to be cancelled.

    On asyncio, code that awaits a task which was cancelled gets that task's ``CancelledError``,
    and everything above would take it for its own. On trio only a cancel scope can cancel. What
    means to end the process, and a class of foreign code that is no Exception, would end the
    loop in the middle of its work. Returns None for an error that the caller raises again.

    Args:
        error: the raised error; an Exception stands for itself.
        called: it came out of a plain call, not out of ``await``: nobody can cancel that.
    """
    if isinstance(error, Exception):
        return error
    if isinstance(error, BaseExceptionGroup):
        faults = [stray(one, called=called) for one in error.exceptions]
        if any(fault is None for fault in faults):
            return None
        return next((one for one in faults if isinstance(one, EndsProcess)), faults[0])
    if isinstance(error, asyncio.CancelledError):
        return StrayCancellation() if called or _nobody_cancels() else None
    if isinstance(error, GeneratorExit):
        return None
    if not called and isinstance(error, anyio.get_cancelled_exc_class()):
        return None
    return _fault(error)


def _nobody_cancels() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # another loop, whose cancellations are of another class
        return True
    return task is not None and task.cancelling() == 0


def _fault(error: BaseException) -> Exception:
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return EndsProcess(error)
    return _Other(error)
