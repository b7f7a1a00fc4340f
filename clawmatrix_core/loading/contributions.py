"""What registration hooks return."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from functools import partial
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

import anyio
import attrs
import msgspec

from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.json_value import JSON
from clawmatrix_core.members.record import OFFER_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

__all__ = [
    "JSON",
    "OFFER_KINDS",
    "Check",
    "ControlMethod",
    "Finding",
    "Offer",
    "StatusSection",
    "frame_types",
]

F = TypeVar("F", bound="Callable[..., bool | None]")
Load: TypeAlias = "Callable[[], Awaitable[Sequence[ControlMethod]]]"

OFFER_KINDS = ("agents", "models")
"""Kinds of offers that the JSON of a status has for every node, with offers or without."""
READ_LIMIT = 5.0
"""Seconds that reading a section of the status may take."""


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

    It may take 20 seconds, and changes nothing. One that raises, or returns what are no findings,
    is shown as a problem that names ``plugin``, which the node fills in.
    """

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    plugin: str = attrs.field(default="", kw_only=True)


@attrs.frozen
class ControlMethod:
    """A method of the local control socket.

    ``call`` takes the parameters as JSON and returns JSON; ``stream``, in its place,
    yields JSON values until it ends or the client goes.
    """

    name: str
    call: Callable[[dict[str, JSON]], Awaitable[JSON]] | None = None
    stream: Callable[[dict[str, JSON]], AsyncIterator[JSON]] | None = None

    @classmethod
    def later(
        cls, load: Load, calls: Collection[str], streams: Collection[str] = ()
    ) -> list[ControlMethod]:
        """Return methods that stand for those which ``load`` returns.

        Args:
            load: called at each use; it may import in a worker thread, and keep what it made.
            calls: the names of those with a ``call``.
            streams: the names of those with a ``stream``.
        """
        return [
            *(cls(name, call=partial(_call, load, name)) for name in calls),
            *(cls(name, stream=partial(_stream, load, name)) for name in streams),
        ]


async def _found(load: Load, name: str) -> ControlMethod:
    return next(method for method in await load() if method.name == name)


async def _call(load: Load, name: str, params: dict[str, JSON]) -> JSON:
    call = (await _found(load, name)).call
    assert call is not None
    return await call(params)


async def _stream(load: Load, name: str, params: dict[str, JSON]) -> AsyncIterator[JSON]:
    stream = (await _found(load, name)).stream
    assert stream is not None
    items = stream(params)
    async with AsyncExitStack() as stack:
        if isinstance(items, _Closes):  # what it holds is given back in the task that held it
            stack.push_async_callback(items.aclose)
        async for item in items:
            yield item


@runtime_checkable
class _Closes(Protocol):
    async def aclose(self) -> None: ...


@attrs.frozen
class StatusSection:
    """A part of the status of a node.

    Attributes:
        name: where its JSON stands in ``status --json``.
        read: returns that JSON: a plain function at once, an ``async`` one within five seconds.
        text: returns lines about that JSON, which ``clawmatrix status`` prints below the node.
        colour: the colour of these lines on a terminal.
        plugin: the plugin that registered it; the node fills it in.
        on_fault: told of what goes wrong in ``read`` and ``text``; the node fills it in.
    """

    name: str
    read: Callable[[], JSON]
    text: Callable[[JSON], Sequence[str]] | None = None
    colour: Literal["green", "yellow", "red"] | None = None
    plugin: str = attrs.field(default="", kw_only=True)
    on_fault: Callable[[Exception], None] = attrs.field(
        default=lambda _: None, kw_only=True, repr=False, eq=False
    )

    async def value(self) -> JSON:
        """Return what it reads, or ``{"error": ...}`` where that cannot be read, or is no JSON."""
        why = f"took over {READ_LIMIT:g} s"
        try:
            with anyio.move_on_after(READ_LIMIT):
                found = self.read()
                value: JSON = await found if inspect.isawaitable(found) else found
                msgspec.json.encode(value)
                return value
        except BaseException as error:  # one section must not take the status
            if (fault := stray(error)) is None:
                raise
            self.on_fault(fault)
            why = f"{type(fault).__name__}: {fault}"
        return {"error": f"plugin {self.plugin}: {why}" if self.plugin else why}


@attrs.frozen
class Offer:
    """A list in this node's record: ``read`` returns what stands under ``kind``.

    Entries are objects with at least an ``id``. Status lists the kinds in ``OFFER_KINDS`` of every
    node, and shows people the other kinds too.

    Attributes:
        LIMIT: bytes of JSON that the list may have.
    """

    LIMIT: ClassVar[int] = OFFER_LIMIT
    kind: str
    read: Callable[[], list[dict[str, JSON]]]


def frame_types(*types: str) -> Callable[[F], F]:
    """Mark a ``frame_received`` implementation as wanting only frames of these types."""

    def mark(function: F) -> F:
        function.clawmatrix_frame_types = frozenset(types)  # type: ignore[attr-defined]
        return function

    return mark
