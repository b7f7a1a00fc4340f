"""Waiting until somebody serves a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_model_proxy.asking.event_reader import node_stops
from clawmatrix_model_proxy.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.spi import Bell
    from clawmatrix_model_proxy.asking.asking import Asking

__all__ = ["wait_for"]

_LOOK = 1.0
"""Seconds between two looks where nothing is heard: a list of models comes without an event."""


async def wait_for(asking: Asking, model: str, changed: Bell, stops: Callable[[], bool]) -> None:
    """Return once a node that serves the model can be reached.

    Args:
        asking: knows who serves what.
        model: the id of a model, or ``node/id``.
        changed: rings when a record or a route has changed, and when the node stops.
        stops: says whether the node stops.

    Raises: ModelError ``stopping``, where the node stops.
    """
    while not stops():
        try:
            asking.catalog().resolve(model, asking.node.reachable)
        except ApiError:
            with anyio.move_on_after(_LOOK):
                await changed.wait()
        else:
            return
    raise node_stops(asking.node.id)
