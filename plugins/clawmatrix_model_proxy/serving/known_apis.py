"""The APIs of the plugins that work, and which plugins had the ones that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy import hookspecs
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.serving.models import working_apis

if TYPE_CHECKING:
    from clawmatrix_core import Node, PluginInfo
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.serving.apis import Apis

__all__ = ["KnownApis", "brings_models", "strangers_bring_apis"]

_APIS = hookspecs.register_model_apis
_UPSTREAMS = hookspecs.register_model_upstreams


class KnownApis:
    """Knows which models can be served.

    Attributes:
        apis: the APIs, None until they are collected.
    """

    def __init__(self, node: Node) -> None:
        self.apis: Apis | None = None
        self._node = node
        self._owners: dict[str, str] = {}

    def collect(self) -> Apis:
        """Ask the plugins that work for their APIs. One with a wrong API is taken out."""
        from clawmatrix_model_proxy.serving.apis import Apis  # a node that only asks does without

        node = self._node
        collected = node.hooks.collect(_APIS, ModelApi)
        self._owners |= {api.name: plugin for plugin, api in collected if isinstance(api.name, str)}
        self.apis = Apis(
            working_apis(node, collected),
            now=node.clock.wall,
            new_id=lambda kind: f"{kind}{node.random.getrandbits(128):032x}",
        )
        return self.apis

    def can_serve(self, model: ModelUpstream, own: bool) -> bool:
        """Say whether a model can be served, as far as that is known.

        Args:
            model: the model.
            own: whether the configuration or the host has it: an API that was never there is
                their mistake, and is found when the server is made.

        Raises: ValueError, where another plugin brings a model whose API is not there.
        """
        if self.apis is None or model.api in self.apis:
            return True
        owner = self._owners.get(model.api)
        if own and owner is None:
            return True
        why = f"the plugin {owner}, which has it, failed" if owner else "no loaded plugin has it"
        words = f"the model {model.id!r} has the API {model.api!r}, and {why}"
        if not own:
            raise ValueError(words)
        self._node.logger("model-proxy").error("not served: %s", words)
        return False


def strangers_bring_apis(node: Node) -> bool:
    """Say whether a third party's plugin brings APIs: they are looked at as the node starts."""
    infos = node.hooks.plugins()
    return any(_APIS.__name__ in info.hooks and not info.built_in for info in infos)


def brings_models(info: PluginInfo) -> bool:
    """Say whether a plugin brings models, or APIs of their upstreams."""
    return bool({_APIS.__name__, _UPSTREAMS.__name__} & {*info.hooks})
