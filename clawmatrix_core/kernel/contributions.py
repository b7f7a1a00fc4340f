"""What registration hooks return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import attrs

from clawmatrix_core.base.json_value import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

__all__ = [
    "JSON",
    "Check",
    "ControlMethod",
    "Finding",
    "Offer",
    "StatusSection",
    "frame_types",
]

F = TypeVar("F", bound="Callable[..., bool | None]")


@attrs.frozen
class Finding:
    """What a check found, as ``clawmatrix doctor`` shows it.

    Attributes:
        name: what was looked at: ``mesh.peer``.
        status: whether it is as it should be; ``skipped`` where that could not be looked at.
        detail: what was found, in words.
        advice: what to do about it, in words.
    """

    name: str
    status: Literal["ok", "warning", "problem", "skipped"]
    detail: str
    advice: str | None = None


@attrs.frozen
class Check:
    """Something that ``clawmatrix doctor`` looks at: ``run`` returns what it found.

    It may take 20 seconds, and changes nothing. One that raises is shown as a problem.
    """

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]


@attrs.frozen
class ControlMethod:
    """A method of the local control socket.

    ``call`` takes the parameters as JSON and returns JSON; ``stream``, in its place,
    yields JSON values until it ends or the client goes.
    """

    name: str
    call: Callable[[dict[str, JSON]], Awaitable[JSON]] | None = None
    stream: Callable[[dict[str, JSON]], AsyncIterator[JSON]] | None = None


@attrs.frozen
class StatusSection:
    """A part of ``status --json``: ``read`` returns the JSON shown under ``name``."""

    name: str
    read: Callable[[], JSON]


@attrs.frozen
class Offer:
    """A list in this node's record: ``read`` returns what stands under ``kind``.

    Kinds in use: ``models``, ``agents``. Entries are objects with at least an ``id``.
    """

    kind: str
    read: Callable[[], list[dict[str, JSON]]]


def frame_types(*types: str) -> Callable[[F], F]:
    """Mark a ``frame_received`` implementation as wanting only frames of these types."""

    def mark(function: F) -> F:
        function.clawmatrix_frame_types = frozenset(types)  # type: ignore[attr-defined]
        return function

    return mark
