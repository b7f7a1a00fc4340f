"""JSON that is nested deeper than Python goes: refused like all else that cannot be carried.

Decoding has a limit of its own; what is decoded may still be too deep for whatever looks at
it afterwards, and how deep that is depends on who calls.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.neutral.failures import BadAnswer, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["answer_depth", "request_depth"]


@contextmanager
def request_depth() -> Iterator[None]:
    """Refuse a request that is too deep; also for decorating. Raises: Unsupported."""
    try:
        yield
    except RecursionError:
        raise Unsupported("body", "is nested too deep") from None


@contextmanager
def answer_depth() -> Iterator[None]:
    """Refuse an answer that is too deep; also for decorating. Raises: BadAnswer."""
    try:
        yield
    except RecursionError:
        raise BadAnswer("the upstream's answer is nested too deep") from None
