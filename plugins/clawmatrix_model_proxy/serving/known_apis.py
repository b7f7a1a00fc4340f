"""The APIs of the plugins that work, and which plugins had the ones that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy import hookspecs
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.config import ModelProxyConfig
from clawmatrix_model_proxy.serving.models import working_apis

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from clawmatrix_core import Node, PluginInfo, PluginScope
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.serving.apis import Apis

__all__ = ["KnownApis"]

_APIS = hookspecs.register_model_apis
_UPSTREAMS = hookspecs.register_model_upstreams


class KnownApis:
    """Knows which models can be served.

    Attributes:
        apis: the APIs, None until they are collected.
    """

    def __init__(self) -> None:
        self.apis: Apis | None = None
        self._owners: dict[str, str] = {}

    def look(self, node: Node, given: Collection[ModelUpstream]) -> bool:
        """Collect the APIs as the node starts, where anybody has models; say whether that was so.

        Third parties' plugins that bring models or APIs are looked at in any case. ``given`` are
        the host's models.
        """
        strange = any(_brings(info) and not info.built_in for info in node.hooks.plugins())
        if not (strange or given or node.config.section(ModelProxyConfig).models):
            return False
        self.collect(node)
        return True

    def collect(self, node: Node) -> Apis:
        """Ask the plugins that work for their APIs. One with a wrong API is taken out."""
        from clawmatrix_model_proxy.serving.apis import Apis  # a node that only asks does without

        collected = node.hooks.collect(_APIS, ModelApi)
        self._owners |= {str(api.name): plugin for plugin, api in collected}
        self.apis = Apis(
            working_apis(node, collected),
            now=node.clock.wall,
            new_id=lambda kind: f"{kind}{node.random.getrandbits(128):032x}",
        )
        return self.apis

    def watch(
        self, node: Node, scope: PluginScope, again: Callable[[Node], Awaitable[None]]
    ) -> None:
        """Have models served without a plugin that is taken out: ``again`` collects them."""

        async def renew() -> None:
            self.collect(node)
            await again(node)

        def failed(info: PluginInfo) -> None:
            if _brings(info):
                scope.start_soon(renew, name="models without a plugin")

        node.hooks.when_failed(failed)

    def can_serve(self, node: Node, model: ModelUpstream, own: bool) -> bool:
        """Say whether a model can be served, as far as that is known.

        Args:
            node: the node.
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
        node.logger("model-proxy").error("not served: %s", words)
        return False


def _brings(info: PluginInfo) -> bool:
    return bool({_APIS.__name__, _UPSTREAMS.__name__} & {*info.hooks})
