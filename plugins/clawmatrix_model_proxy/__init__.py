"""Model APIs over the mesh: ask here, answered by an upstream of whichever node serves it."""

from __future__ import annotations

from clawmatrix_model_proxy.plugin import ModelProxyPlugin

__all__ = ["ModelProxyPlugin"]
