"""Checks, before and after each call, who owns the responses that upstreams keep."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.serving.fetching import Fetching
from clawmatrix_model_proxy.serving.owners import Owners, Place
from clawmatrix_model_proxy.serving.stored_call import StoredCall
from clawmatrix_model_proxy.serving.upstream_call import unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import ExchangeFailure
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.serving.apis import Apis
    from clawmatrix_model_proxy.serving.upstream import Upstreams
    from clawmatrix_model_proxy.serving.wishes import Wishes
    from clawmatrix_model_proxy.wire import StoredAction

__all__ = ["NOT_FOUND", "Keeping"]

NOT_FOUND = "response_not_found"


class Keeping:
    """Lets each key go on with what it was given, and with nothing else.

    Args:
        owners: what each key was given.
        apis: know where each upstream keeps responses.
        upstreams: ask whether a response can be fetched later.
        own_key: this node's, whose clients may name conversations of the upstream's own.
    """

    def __init__(self, owners: Owners, apis: Apis, upstreams: Upstreams, own_key: bytes) -> None:
        self._owners = owners
        self._apis = apis
        self._own_key = own_key
        self._fetching = Fetching(upstreams)

    async def check(self, key: bytes, model: ModelUpstream, wishes: Wishes) -> None:
        """Raises: ExchangeFailure, where a request is about what its key was not given.

        Also where its answer could not be fetched later, although it is to be.
        """
        for param, id_ in wishes.named:
            place = self._owners.find(key, id_)
            # An upstream keeps what all of its models said in one place.
            if place is None or place.base_url != model.base_url:
                raise _not_found(id_, param)
        if wishes.conversation and key != self._own_key:
            words = "conversations that the upstream keeps are for this node's own clients"
            raise unsent(NOT_FOUND, words, "conversation")
        if wishes.background and not await self._can_fetch(model):
            words = f"the upstream of {model.id!r} does not let an answer be fetched later"
            raise unsent("cannot_convert", words, "background")

    async def _can_fetch(self, model: ModelUpstream) -> bool:
        kept_at = self._apis.kept_at(model)
        assert kept_at is not None  # else the request would have been converted, and refused
        return await self._fetching.is_there(model, self._apis.of(model), kept_at)

    def noting(self, key: bytes, model: ModelUpstream) -> Callable[[tuple[str, ...]], None]:
        """Return what notes the ids of an answer for a key."""
        return partial(self._owners.note, key, _place(model))

    def question(
        self,
        key: bytes,
        wanted: StoredAction,
        models: Mapping[str, Sequence[ModelUpstream]],
        *,
        streams: bool,
    ) -> tuple[ModelUpstream, StoredCall]:
        """Return which upstream is asked about a response, and how.

        Raises: ExchangeFailure, where the response is not the key's, or its upstream is gone.
        """
        place = self._owners.find(key, wanted.id)
        for model in models.get(place.model, ()) if place is not None else ():
            kept_at = self._apis.kept_at(model)
            if place == _place(model) and kept_at is not None:
                return model, StoredCall.about(kept_at, wanted, streams=streams)
        raise _not_found(wanted.id, "response_id")

    def deleted(self, key: bytes, wanted: StoredAction) -> None:
        """Forget a response that the upstream has deleted."""
        self._owners.forget(key, wanted.id)


def _place(model: ModelUpstream) -> Place:
    return Place(model.id, model.base_url)


def _not_found(id_: str, param: str) -> ExchangeFailure:
    words = f"Response with id '{id_[:200]}' not found: send the whole conversation instead"
    return unsent(NOT_FOUND, words, param)
