"""Which target gave which response, for requests that name one as ``previous_response_id``."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from clawmatrix_model_proxy.asking.health import Target

__all__ = ["REMEMBERED", "PreviousResponses"]

REMEMBERED = Bound(
    4096,
    "responses whose target is remembered, for requests that go on from one",
    fed_by="a member",
    when_full="the oldest is forgotten",
)
_ID_LIMIT = 256


class PreviousResponses:
    """A bounded table: the id of a response, and the target that gave it."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._targets: OrderedDict[str, Target] = OrderedDict()

    def __len__(self) -> int:
        return len(self._targets)

    def remember(self, answer_id: str, target: Target) -> None:
        """Note which target gave a response."""
        if len(answer_id) > _ID_LIMIT:
            return
        self._targets[answer_id] = target
        self._targets.move_to_end(answer_id)
        if len(self._targets) > self._limit:
            self._targets.popitem(last=False)

    def find(self, answer_id: str) -> Target | None:
        """Return the target that gave a response, None where it is not known."""
        return self._targets.get(answer_id)
