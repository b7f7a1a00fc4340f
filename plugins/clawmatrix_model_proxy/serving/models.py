"""The models and the APIs that this node serves: those of its configuration and of plugins."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import PluginError
from clawmatrix_model_proxy import hookspecs
from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
from clawmatrix_model_proxy.model_config import check_model
from clawmatrix_model_proxy.offer import OfferRoom
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT
from clawmatrix_model_proxy.workers import on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.neutral.codec import UpstreamCodec

__all__ = ["checked_models", "collect_apis", "collect_models", "working_apis"]

_OWN = "model-proxy"
"""The plugin whose codecs are the node's own."""


def collect_models(
    node: Node, usable: Callable[[Node, ModelUpstream, bool], bool] = lambda *_: True
) -> tuple[ModelUpstream, ...]:
    """Return the models of all plugins that work. One that is not right is its plugin's fault.

    Args:
        node: the node.
        usable: says whether a model can be served at all, as far as that is known; told whether
            the configuration or the host has it. Raises: ValueError, for a fault.
    """
    found: list[ModelUpstream] = []
    counts: Counter[str] = Counter()
    room = OfferRoom()
    spec = hookspecs.register_model_upstreams
    for plugin, model in node.hooks.collect(spec, ModelUpstream):
        try:
            check_model(model)
            if not usable(node, model, plugin == _OWN):
                continue
            if counts[model.id] == UPSTREAM_LIMIT:
                raise ValueError(f"the id {model.id!r} has more than {UPSTREAM_LIMIT} upstreams")
            room.take(model)
        except (ValueError, TypeError) as error:
            node.hooks.report(plugin, spec, error)
            continue
        counts[model.id] += 1
        found.append(model)
    return tuple(found)


def checked_models(models: Iterable[ModelUpstream]) -> tuple[ModelUpstream, ...]:
    """Return the models that a host gives.

    Raises: ValueError, which names what is wrong; TypeError, where something is no ModelUpstream.
    """
    if isinstance(models, ModelUpstream | str):
        raise TypeError(f"serve_models takes a list of ModelUpstream, not {models!r}")
    given = tuple(models)
    room = OfferRoom()
    for model in given:
        if not isinstance(model, ModelUpstream):
            raise TypeError(f"serve_models takes a list of ModelUpstream, with {model!r} in it")
        try:
            check_model(model)
        except (ValueError, TypeError) as error:
            raise type(error)(f"the model {model.id!r}: {error}") from None
        room.take(model)
    id_, most = next(iter(Counter(model.id for model in given).most_common(1)), ("", 0))
    if most > UPSTREAM_LIMIT:
        raise ValueError(f"the id {id_!r} has more than {UPSTREAM_LIMIT} upstreams")
    return given


def collect_apis(node: Node) -> list[ModelApi]:
    """Return the APIs of all plugins; of two with one name, that of the plugin loaded first.

    What goes wrong in a plugin's codec is a fault of that plugin. A plugin with an API that has not
    what it must is taken out.
    """
    return working_apis(node, node.hooks.collect(hookspecs.register_model_apis, ModelApi))


def working_apis(node: Node, collected: Sequence[tuple[str, ModelApi]]) -> list[ModelApi]:
    """Return those of the APIs that can be used; see ``collect_apis``."""
    # Imported here, as below: a node that only asks does without.
    from clawmatrix_model_proxy.serving.api_check import check_api

    for plugin, api in collected:
        try:
            check_api(plugin, api)
        except PluginError as error:
            node.hooks.fail(plugin, str(error).partition(": ")[2])
    working = [one for one in collected if node.hooks.works(one[0])]
    found = node.hooks.unique("model API", working, lambda api: api.name)
    return [api if plugin == _OWN else _guarded(node, plugin, api) for plugin, api in found]


def _guarded(node: Node, plugin: str, api: ModelApi) -> ModelApi:
    from clawmatrix_model_proxy.serving.api_check import OWN_PLUGINS
    from clawmatrix_model_proxy.serving.later_codec import OPTIONAL, LaterCodec

    def on_fault(member: str, error: Exception) -> None:
        what = f"{member} of {api.name}"
        on_loop(lambda: node.hooks.report(plugin, what, error, serving=True))

    def guarded(codec: UpstreamCodec) -> UpstreamCodec:
        from clawmatrix_model_proxy.serving.guarded import GuardedCodec

        return GuardedCodec(codec, plugin, on_fault)

    codec = api.codec
    if codec is None:
        return api
    if plugin not in OWN_PLUGINS:
        return attrs.evolve(api, codec=guarded(codec))
    has = [member for member in OPTIONAL if hasattr(type(codec), member)]
    return attrs.evolve(api, codec=LaterCodec(codec.name, partial(guarded, codec), has))
