"""The local control socket of a node, and the commands that use it: status, peers, ping."""

from __future__ import annotations

from clawmatrix_control.plugin import ControlPlugin

__all__ = ["ControlPlugin"]
