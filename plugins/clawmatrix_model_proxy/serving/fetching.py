"""Whether an upstream gives responses that were asked for earlier, found out by asking for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

from anyio import current_time

from clawmatrix_model_proxy.serving.key_verdict import ERROR_LIMIT
from clawmatrix_model_proxy.serving.owners import Place
from clawmatrix_model_proxy.serving.stored_call import StoredCall
from clawmatrix_model_proxy.wire import Opening, StoredAction

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.serving.upstream import Upstreams

__all__ = ["Fetching"]

AGAIN = 600.0
"""Seconds after which an upstream that lacked it is asked again."""
_LACKING = frozenset({404, 405, 501})


class Fetching:
    """Which upstreams let a response be fetched later. A request in the background needs one."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._found: dict[Place, float | None] = {}  # None, or when it was found lacking

    async def is_there(self, model: ModelUpstream, api: ModelApi, kept_at: str) -> bool:
        """Say whether a model's upstream does. Raises: ExchangeFailure, out of reach."""
        place = Place(model.id, model.base_url)
        lacking = self._found.get(place, float("-inf"))
        if lacking is None:
            return True
        if current_time() - lacking < AGAIN:
            return False
        status, there = await self._ask(model, api, kept_at)
        if status < 500 or status in _LACKING:
            self._found[place] = None if there else current_time()
        return there

    async def _ask(self, model: ModelUpstream, api: ModelApi, kept_at: str) -> tuple[int, bool]:
        """Ask for a response that there is not; return the status, and what it amounts to."""
        id_ = f"resp_{uuid4().hex}"
        wanted = StoredAction(id_)
        call = StoredCall.about(kept_at, wanted)
        opening = Opening("responses", model.id, stored=wanted)
        asked = self._upstreams.ask(model, api, call.path, b"", opening, call.method)
        async with await asked as response:
            body = await response.read(ERROR_LIMIT)
        return response.status, response.status not in _LACKING or _names(body, id_)


def _names(body: bytes, id_: str) -> bool:
    """Say whether an error is about the response, and not about a path that is not there."""
    return re.search(rb"(?<![/\w])" + id_.encode(), body) is not None
