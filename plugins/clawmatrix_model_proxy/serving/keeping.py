"""Whose the responses are that this node's upstreams keep: looked at before and after each call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.serving.fetching import Fetching
from clawmatrix_model_proxy.serving.owners import Owners, Place
from clawmatrix_model_proxy.serving.upstream_call import unsent

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import ExchangeFailure
    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.serving.upstream import Upstreams
    from clawmatrix_model_proxy.serving.wishes import Wishes
    from clawmatrix_model_proxy.wire import StoredAction

__all__ = ["NOT_FOUND", "Keeping"]

NOT_FOUND = "response_not_found"


class Keeping:
    """Lets each key go on with what it was given, and with nothing else.

    Args:
        owners: what each key was given.
        upstreams: ask whether a response can be fetched later.
        own_key: this node's, whose clients may name conversations of the upstream's own.
    """

    def __init__(self, owners: Owners, upstreams: Upstreams, own_key: bytes) -> None:
        self._owners = owners
        self._own_key = own_key
        self._fetching = Fetching(upstreams)

    async def check(self, key: bytes, model: ModelUpstream, api: ModelApi, wishes: Wishes) -> None:
        """Raises: ExchangeFailure, where a request is about what its key was not given.

        Also where its answer could not be fetched later, although it is to be.
        """
        for param, id_ in wishes.named:
            if self._owners.find(key, id_) != _place(model):
                raise _not_found(id_, param)
        if wishes.conversation and key != self._own_key:
            words = "conversations that the upstream keeps are for this node's own clients"
            raise unsent(NOT_FOUND, words, "conversation")
        if wishes.background and not await self._fetching.is_there(model, api):
            words = f"the upstream of {model.id!r} does not let an answer be fetched later"
            raise unsent("cannot_convert", words, "background")

    def noting(self, key: bytes, model: ModelUpstream) -> Callable[[tuple[str, ...]], None]:
        """Return what notes the ids of an answer for a key."""
        return partial(self._owners.note, key, _place(model))

    def place_of(self, key: bytes, wanted: StoredAction) -> Place:
        """Return where a response is. Raises: ExchangeFailure, where it is not the key's."""
        place = self._owners.find(key, wanted.id)
        if place is None:
            raise not_found(wanted.id)
        return place

    def deleted(self, key: bytes, wanted: StoredAction) -> None:
        """Forget a response that the upstream has deleted."""
        self._owners.forget(key, wanted.id)


def _place(model: ModelUpstream) -> Place:
    return Place(model.id, model.base_url)


def not_found(id_: str) -> ExchangeFailure:
    """Return the failure of a request about a response that the asking key was not given."""
    return _not_found(id_, "response_id")


def _not_found(id_: str, param: str) -> ExchangeFailure:
    words = f"Response with id '{id_[:200]}' not found: send the whole conversation instead"
    return unsent(NOT_FOUND, words, param)
