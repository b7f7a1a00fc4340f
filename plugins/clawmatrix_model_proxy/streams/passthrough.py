"""The stream of an answer between upstream and client: as it comes, or converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from clawmatrix_model_proxy.streams.events import EventFilter
from clawmatrix_model_proxy.streams.sse import Ending, Tail

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["AnswerStream", "PassedStream"]

DONE = b"data: [DONE]\n\n"


class AnswerStream(Protocol):
    """Takes the upstream's bytes as they come and gives what the client gets.

    Attributes:
        begun: True once there was an event that means something.
        error: the upstream's own error.
        malformed: how many events were cut out.
        answer_id: the id by which a later request may name the answer.
    """

    begun: bool
    error: Any
    answer_id: str

    @property
    def malformed(self) -> int:
        """How many events were cut out."""

    @property
    def over(self) -> bool:
        """True once the API's own end, or an error, has come: nothing more will."""

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge, BadAnswer."""

    def finish(self) -> tuple[bytes, Ending]:
        """Return what is left, and how the stream ended. Raises: BadAnswer."""

    def told(self) -> Any:
        """Return the upstream's own error that the client was told, for ``Ending.ERROR``."""


class PassedStream(EventFilter):
    """A stream in the client's own API: its events pass as they are."""

    def __init__(self, format: Format) -> None:
        super().__init__(format.stage, format.last_words, format.names)
        self._format = format
        self._tail = Tail()

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge."""
        if whole := super().feed(data):
            self._tail.feed(whole)
        return whole

    def finish(self) -> tuple[bytes, Ending]:  # type: ignore[override] # says how it ended too
        """Return the last event where only its blank line is missing, and how it all ended."""
        if rest := super().finish():
            self._tail.feed(rest)
        ending = self._format.ending(self._tail, self.last)
        if ending is Ending.ERROR:
            return rest, ending
        if self.error is not None:
            return rest, Ending.CUT
        if not self.cut_out.doubtful:
            return rest, ending
        if ending is Ending.FINISHED:
            # What could not be read came behind the reason of the end, and is no word of it.
            return (rest + DONE if self.over else rest), ending
        self.error = self.cut_out.error
        return rest, Ending.CUT

    def told(self) -> Any:
        """Return the upstream's own error."""
        return self.error
