"""Which target gave which response, for requests that name one by its id."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from clawmatrix_core import Bound, NodeId
from clawmatrix_model_proxy.asking.health import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["REMEMBERED", "PreviousResponses"]

REMEMBERED = Bound(
    4096,
    "responses whose target is remembered, for requests that name one",
    fed_by="a member",
    when_full="the oldest is forgotten",
)
_ID_LIMIT = 256


class PreviousResponses:
    """A bounded table: the id of a response, and the target that gave it.

    Attributes:
        mark: grows with each change.
    """

    def __init__(
        self, limit: int = REMEMBERED, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        """Make one; ``changed`` is called after each change."""
        self.mark = 0
        self._changed = changed
        self._limit = limit
        self._targets: OrderedDict[str, Target] = OrderedDict()

    def __len__(self) -> int:
        return len(self._targets)

    def remember(self, answer_id: str, target: Target) -> None:
        """Note which target gave a response. An id stays with the node that gave it first."""
        known = self._targets.get(answer_id)
        if len(answer_id) > _ID_LIMIT or (known is not None and known.node != target.node):
            return
        self._targets[answer_id] = target
        self._targets.move_to_end(answer_id)
        if len(self._targets) > self._limit:
            self._targets.popitem(last=False)
        self._note_change()

    def find(self, answer_id: str) -> Target | None:
        """Return the target that gave a response, None where it is not known."""
        return self._targets.get(answer_id)

    def forget(self, answer_id: str) -> None:
        """Forget a response that was deleted."""
        if self._targets.pop(answer_id, None) is not None:
            self._note_change()

    def _note_change(self) -> None:
        self.mark += 1
        self._changed()

    def to_state(self) -> list[tuple[str, str, str, int]]:
        """Return all there is, to be stored: id, node, model and number of the upstream."""
        return [(id_, t.node, t.model, t.upstream) for id_, t in self._targets.items()]

    def restore(self, stored: Iterable[tuple[str, str, str, int]]) -> None:
        """Take over what was stored."""
        for id_, node, model, upstream in stored:
            self.remember(id_, Target(NodeId(node), model, upstream))
