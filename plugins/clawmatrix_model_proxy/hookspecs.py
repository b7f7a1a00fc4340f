"""The hooks that the ``model-proxy`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream


@hookspec
def register_model_apis(node: Node) -> list[ModelApi]:
    """Add APIs that upstreams of models speak, and how requests are converted to them.

    Called by the ``model-proxy`` plugin as it starts. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_model_upstreams(node: Node) -> list[ModelUpstream]:
    """Add models that this node serves, beside those of its configuration.

    Called by the ``model-proxy`` plugin as it starts, after a reload of its table, and when
    ``models_changed`` of its ``api`` is called. Of several for one id, the configured ones are
    asked first, then those of ``serve_models``, then those of plugins in order of loading.
    Dispatch: collect.
    """
    raise NotImplementedError
