"""Where the text of an answer has to stop, found over the borders of its pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Bound
from clawmatrix_model_proxy.neutral.codec import Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["STOPS", "STOP_LENGTH", "StopFinder", "check_stops"]

STOPS = Bound(
    64,
    "sequences of one request at which this node cuts the text of an answer",
    fed_by="a client",
    when_full="the request is refused",
)
STOP_LENGTH = Bound(
    1024,
    "characters of such a sequence",
    fed_by="a client",
    when_full="the request is refused",
)


def check_stops(stops: Sequence[str], where: str) -> None:
    """Raises: Unsupported, for more sequences, or longer ones, than this node looks for."""
    if len(stops) > STOPS:
        raise Unsupported(where, f"this node cuts at {STOPS} sequences at most")
    if any(len(stop) > STOP_LENGTH for stop in stops):
        raise Unsupported(where, f"this node cuts at {STOP_LENGTH} characters at most")


class StopFinder:
    """Looks for the sequences in a text that comes in pieces.

    Attributes:
        held: the end of the text so far, which may be the beginning of a sequence.
        found: the sequence that ended first, None until then.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.held = ""
        self.found: str | None = None
        self._stops = tuple(stops)
        self._longest = max(map(len, stops))

    def feed(self, piece: str) -> int:
        """Add a piece; return how many characters of ``held`` and it are certain to be text.

        The rest stays in ``held``, or is cut off where ``found`` says so.
        """
        text = self.held + piece
        ends = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:  # of two that end together the longer one
            _, at, self.found = min(ends)
            self.held = ""
            return at
        at = self._doubtful(text)
        self.held = text[at:]
        return at

    def _doubtful(self, text: str) -> int:
        """Return where a sequence may have begun."""
        first = max(0, len(text) - self._longest + 1)
        return min((self._begun(text, stop, first) for stop in self._stops), default=len(text))

    def _begun(self, text: str, stop: str, first: int) -> int:
        at = text.find(stop[0], max(first, len(text) - len(stop) + 1))
        while at >= 0 and not stop.startswith(text[at:]):
            at = text.find(stop[0], at + 1)
        return at if at >= 0 else len(text)
