"""The local HTTP server: other plugins add routes to it, it lets in only who may use them."""

from __future__ import annotations

from clawmatrix_http.plugin import HttpPlugin

__all__ = ["HttpPlugin"]
