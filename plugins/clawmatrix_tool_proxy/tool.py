"""A tool, the call of one, and the errors that it may raise. Values only."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias

import anyio.from_thread
import attrs
from attrs.validators import and_, ge, gt, instance_of, is_callable, matches_re, max_len, optional

from clawmatrix_core import JSON, ClawMatrixError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Arguments", "Run", "Tool", "ToolCall", "ToolError"]

Arguments: TypeAlias = "Mapping[str, JSON]"
Run: TypeAlias = "Callable[[ToolCall, Arguments], Awaitable[JSON]]"

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}"
"""What a name of a tool looks like."""
DESCRIPTION = 8 * 1024
"""Characters that a description has at most."""


class ToolError(ClawMatrixError):
    """A tool could not do what it was asked to do. Its text goes to whoever called.

    Attributes:
        code: a stable word for programs, such as ``not_found``.
        exit_status: what ``clawmatrix call`` ends with, 1 to 255; 20 unless given.
        began: whether the tool may have done something.
    """

    def __init__(
        self, message: str, code: str = "failed", *, exit_status: int = 20, began: bool = True
    ) -> None:
        super().__init__(message)
        self.code = code
        self.exit_status, self.began = exit_status, began


class ToolCall:
    """One call of a tool, as the tool sees it.

    Attributes:
        id: the word of the call, the same in the audits of both nodes.
        tool: the name of the tool.
        peer: the name of the node that calls; ``LOCAL`` for this node's own clients.
        key: its key as text, ``ed25519:...``; None for ``LOCAL``.
        meta: what the caller's protocol sent beside the arguments. Neither the policy nor the
            audit has seen it.
    """

    def __init__(
        self,
        *,
        id: str,
        tool: str,
        peer: str,
        key: str | None,
        write: Callable[[bytes], Awaitable[bool]],
        progress: Callable[[str, float | None, float | None], Awaitable[None]],
        meta: Arguments | None = None,
        write_errors: Callable[[bytes], Awaitable[bool]] | None = None,
    ) -> None:
        """Make one; ``write``, ``progress`` and ``write_errors`` take what the tool writes."""
        self.id, self.tool, self.peer, self.key = id, tool, peer, key
        self.meta: Arguments = {} if meta is None else meta
        self._write, self._progress = write, progress
        self._write_errors = write_errors or write
        self._ended = threading.Event()

    def __repr__(self) -> str:
        return f"<ToolCall {self.id} of {self.tool} by {self.peer}>"

    async def write(self, data: bytes | str, *, stderr: bool = False) -> bool:
        """Send output now; wait while whoever reads it is behind.

        With ``stderr`` it is error output, which the caller gets apart from the rest.

        Returns False once the output is over ``max_output``: what is written then is dropped, and
        the result says so. A tool may stop writing, or stop.
        """
        write = self._write_errors if stderr else self._write
        return await write(data.encode() if isinstance(data, str) else bytes(data))

    async def progress(
        self, text: str, *, done: float | None = None, total: float | None = None
    ) -> None:
        """Say in a few words how far the call is; that is no part of its output.

        Args:
            text: the words.
            done: how much is done, a number that grows.
            total: the number that ``done`` reaches at the end, where that is known.
        """
        await self._progress(text, done, total)

    def write_from_thread(self, data: bytes | str) -> bool:
        """Do what ``write`` does, in a tool that is a plain function."""
        return anyio.from_thread.run(self.write, data)

    def progress_from_thread(self, text: str) -> None:
        """Do what ``progress`` does, in a tool that is a plain function."""
        anyio.from_thread.run(self.progress, text)

    @property
    def ended(self) -> bool:
        """Whether nobody waits for the result any more: a plain function looks, and returns."""
        return self._ended.is_set()

    def end(self) -> None:
        """Note that nobody waits for the result any more."""
        self._ended.set()


@attrs.frozen(eq=False)
class Tool:
    """Something that other nodes may call, where it is exposed and they are allowed to.

    ``tool(function)`` makes one of a typed function.

    Attributes:
        name: up to 64 letters, digits and ``_.-``.
        description: what it does, for people and models; at most 8,192 characters.
        parameters: the JSON Schema of its arguments, with ``type: object`` at the root.
        run: does the work: takes the call and the arguments, and returns JSON. It is cancelled
            when the caller leaves, at the deadline, and when it is no longer allowed.
        deadline: seconds that a call may take; None is what the configuration says.
        at_once: calls that may run at a time; None is what the configuration says.
        canonical: makes the arguments those that will run (paths as ``ROOT/relative``, programs
            resolved), which the policy and the audit see. It may raise ToolError.
        canonical_blocks: whether that looks at files, say, and so runs in a worker thread; else it
            runs on the event loop.
        streams: whether it writes output while it runs.
        check: looks at the arguments, fills defaults in and returns them, in the place of the
            schema; it runs on the event loop, and raises ToolError. Without it a process of its
            own looks at them by the schema.
        hints: what programs may want to know beforehand, such as ``{"readOnly": true}``.

    Raises: ValueError or TypeError, where a field cannot be right.
    """

    name: str = attrs.field(validator=and_(instance_of(str), matches_re(NAME)))
    description: str = attrs.field(validator=and_(instance_of(str), max_len(DESCRIPTION)))
    parameters: Arguments = attrs.field(repr=False)
    run: Run = attrs.field(repr=False, validator=is_callable())
    deadline: float | None = attrs.field(default=None, validator=optional(gt(0)), kw_only=True)
    at_once: int | None = attrs.field(default=None, validator=optional(ge(1)), kw_only=True)
    canonical: Callable[[Arguments], Arguments] | None = attrs.field(
        default=None, validator=optional(is_callable()), kw_only=True, repr=False
    )
    canonical_blocks: bool = attrs.field(default=True, kw_only=True)
    streams: bool = attrs.field(default=False, kw_only=True)
    check: Callable[[Arguments], Arguments] | None = attrs.field(
        default=None, validator=optional(is_callable()), kw_only=True, repr=False
    )
    hints: Arguments = attrs.field(factory=dict, kw_only=True, repr=False)

    @parameters.validator
    def _is_of_an_object(self, _: object, value: Arguments) -> None:
        if not isinstance(value, dict) or value.get("type") != "object":
            raise ValueError(f"the parameters of {self.name} need the type object at their root")
