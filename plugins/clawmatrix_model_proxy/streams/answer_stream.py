"""The stream that the client gets of an upstream's: passed through, or converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.endings import Ending

__all__ = ["AnswerStream"]


class AnswerStream(Protocol):
    """Takes the upstream's bytes as they come and gives what the client gets.

    Attributes:
        begun: True once there was an event that means something.
        error: the upstream's own error.
        malformed: how many events were cut out.
        answer_id: the id by which a later request may name the answer.
        item_ids: those by which it may name parts of it, once the answer is whole.
    """

    begun: bool
    error: Any
    answer_id: str
    item_ids: tuple[str, ...]

    @property
    def signs(self) -> int:
        """How many events said that the model works before it said anything."""

    @property
    def malformed(self) -> int:
        """How many events were cut out."""

    @property
    def waiting(self) -> int:
        """Bytes of an event that has not ended."""

    @property
    def quiet(self) -> bool:
        """True where the last bytes brought no event, or nothing but comments."""

    @property
    def over(self) -> bool:
        """True once the API's own end, or an error, has come: nothing more will."""

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge, BadAnswer."""

    def thinks(self) -> bool:
        """Say whether the last that came allows for a long silence. For once in a while."""

    def finish(self) -> tuple[bytes, Ending]:
        """Return what is left, and how the stream ended. Raises: BadAnswer."""
