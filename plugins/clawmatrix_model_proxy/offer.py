"""What a node offers: the models in its record, and a list of all where these do not fit.

A record has room for a few hundred models, and every node of the mesh keeps it. The record of
a node with more names the first of them, and the digest of a list of all, which other nodes
ask it for (``asking.lists``). Nodes that know nothing of lists see the first ones.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core import Bound, Offer
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.api import ModelUpstream

__all__ = ["LIST_LIMIT", "MODELS_MOST", "OfferRoom", "Offered", "make_offer"]

MODELS_MOST = Bound(
    10_000,
    "models that one node offers",
    fed_by="a member",
    when_full="its list is left out and counts against it",
)
LIST_LIMIT = Bound(
    2 * 1024 * 1024,
    "bytes of the list of one node's models",
    fed_by="a member",
    when_full="the list is left out",
)

_encode = msgspec.json.Encoder().encode


class OfferRoom:
    """Counts models, so that a node has none that it cannot offer."""

    def __init__(self) -> None:
        self._apis: dict[str, list[str]] = {}  # of each id, of each of its upstreams
        self._left = LIST_LIMIT - 2

    def take(self, model: ModelUpstream) -> None:
        """Count a model, or one more upstream of it. Raises: ValueError, where it does not fit."""
        apis = self._apis.setdefault(model.id, [])
        apis.append(model.api)
        if len(self._apis) > MODELS_MOST:
            raise ValueError(
                f'the model "{model.id}" is one too many: a node offers {MODELS_MOST} at most'
            )
        if len(apis) == 1:
            self._left -= len(_encode(_entry(model) | {"upstreams": UPSTREAM_LIMIT})) + 1
        elif len(apis) == 2:
            self._left -= len(_encode({"apis": apis}))
        else:
            self._left -= len(_encode(model.api)) + 1
        if self._left < 0:
            raise ValueError(
                f'the model "{model.id}" and those behind it do not fit: all that a node offers,'
                f" descriptions included, has {LIST_LIMIT} bytes at most"
            )


@attrs.frozen
class Offered:
    """What a node offers.

    Attributes:
        entries: every model, as others see it.
        in_record: those of them that stand in the record, the first ones.
        text: all of them as JSON.
        digest: the SHA-256 of the text, in hexadecimal.
    """

    entries: list[dict[str, JSON]]
    in_record: list[dict[str, JSON]]
    text: bytes = attrs.field(repr=False)
    digest: str

    @property
    def lists(self) -> list[dict[str, JSON]]:
        """What the record says of the list; nothing where every model stands in the record."""
        if len(self.in_record) == len(self.entries):
            return []
        return [{"digest": self.digest, "count": len(self.entries)}]


def make_offer(models: Iterable[ModelUpstream]) -> Offered:
    """Return what a node with these models offers: each id once, as its first upstream says."""
    found: dict[str, list[ModelUpstream]] = {}
    for model in models:
        found.setdefault(model.id, []).append(model)
    entries = [_entry(*upstreams) for upstreams in found.values()]
    text = _encode(entries)
    return Offered(entries, _fitting(entries), text, hashlib.sha256(text).hexdigest())


def _entry(model: ModelUpstream, *more: ModelUpstream) -> dict[str, JSON]:
    """Return what others see of a model and its upstreams, as the first of these says it."""
    entry: dict[str, JSON] = {"id": model.id, "api": model.api, "upstreams": 1 + len(more)}
    if any(one.api != model.api for one in more):
        entry["apis"] = [model.api, *(one.api for one in more)]
    return entry | ({"description": model.description} if model.description else {})


def _fitting(entries: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
    """Return the first entries, as many as a record has room for."""
    left = Offer.LIMIT - 2
    for count, entry in enumerate(entries):
        left -= len(_encode(entry)) + 1
        if left < 0:
            return entries[:count]
    return entries
